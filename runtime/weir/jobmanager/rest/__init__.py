"""REST of the JobManager: Flink's paths, field names and status codes over what ``facts`` says.

Flow: ``server`` (the only module that imports aiohttp) hands a request to ``exchange``, which checks access and finds the
row of ``routes`` -> a function of ``handlers`` -> a pure view -> a struct of ``models`` as JSON. No route accepts code.
"""

__all__: list[str] = []
