"""Bodies of flows, which only a run imports: a form or a deployment needs the parameters alone."""
