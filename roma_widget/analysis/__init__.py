"""Runs as data: frames (pandas), graphs (networkx) and figures (plotly). Pure, and lazy.

Every function takes a `core.model.Snapshot`, and where it needs them the fetched traces by task id; none knows of
servers, threads or widgets. pandas, networkx and plotly are imported inside the functions that need them: importing
this package costs none.
"""
