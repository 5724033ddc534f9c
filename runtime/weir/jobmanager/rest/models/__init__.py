"""Bodies of requests and answers, with Flink's field names; what Weir adds stands last in each struct."""

__all__: list[str] = []
