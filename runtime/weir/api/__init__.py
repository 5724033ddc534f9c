"""What users write: environment, streams, and how their code is loaded. Other rooms use ``loader`` and ``executor``.

Read ``stream`` first. Names are re-exported by the facade ``weir``, not here: this package stays light.
"""
