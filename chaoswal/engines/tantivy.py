"""The adapter of tantivy: a log whose records are documents, by their numbers.

Its documentation promises of ``commit`` that, when it returns, all documents added so far are published and persisted.
"""

from collections.abc import Iterable

from chaoswal.engines.keyed import KeyedLog


class TantivyEngine(KeyedLog):
    """One index, which is the directory."""

    package = "tantivy"
    preload = ("tantivy",)
    documented = "https://docs.rs/tantivy/latest/tantivy/struct.IndexWriter.html#method.commit"
    promise = "sync"
    scratch = (".tantivy-*.lock",)

    def __init__(self, root: str) -> None:
        import tantivy  # an extra: chaoswal[engines]

        self._library = tantivy
        schema = tantivy.SchemaBuilder().add_unsigned_field("number", stored=True, indexed=True)
        self._index = tantivy.Index(schema.add_bytes_field("payload", stored=True).build(), path=root)
        self._writer = self._index.writer(num_threads=1)
        self._begin()

    def _put(self, records: Iterable[tuple[int, bytes]]) -> None:
        for number, payload in records:
            document = self._library.Document()
            document.add_unsigned("number", number)
            document.add_bytes("payload", payload)
            self._writer.add_document(document)

    def _items(self) -> Iterable[tuple[int, bytes]]:
        self._index.reload()
        searcher = self._index.searcher()
        hits = searcher.search(self._library.Query.all_query(), max(searcher.num_docs, 1)).hits
        documents = [searcher.doc(address) for _, address in hits]
        return [(found["number"][0], bytes(found["payload"][0])) for found in documents]

    def sync(self) -> None:
        self._writer.commit()

    def close(self) -> None:
        self.sync()  # nothing else keeps what was added
        self._writer.wait_merging_threads()
