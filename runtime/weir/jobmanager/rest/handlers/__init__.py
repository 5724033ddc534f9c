"""One function a route: finds what the request is about, and has a view show it or the job act on it."""

__all__: list[str] = []
