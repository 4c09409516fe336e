"""The graph: tracing a function gives one typed, printable graph that all readers share."""

from streetlight.graph.evaluate import evaluate as evaluate
from streetlight.graph.graph import Graph as Graph
from streetlight.graph.graph import Input as Input
from streetlight.graph.graph import Node as Node
from streetlight.graph.graph import Source as Source
from streetlight.graph.graph import Value as Value
from streetlight.graph.read import parse as parse
from streetlight.graph.text import to_text as to_text
from streetlight.graph.trace import trace as trace
from streetlight.graph.verify import verify as verify
