"""Where reports of differences are kept: a page for each day, replaced when the day is compared again."""

from srp_assets.warehouse.storage import Storage

FOLDER = "differences"


def keep_page(storage: Storage, day: str, page: str) -> str:
    """Writes the page of a day; returns its address."""
    path = f"{FOLDER}/{day}.html"
    files = storage.filesystem
    files.create_dir(storage.path(FOLDER))
    with files.open_output_stream(storage.path(path)) as stream:
        stream.write(page.encode())
    return storage.address(path)
