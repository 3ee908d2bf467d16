"""Write the generated pages of the reference: ``python -m docs.generate``, from the repository's root."""

from docs.generate.pages import FOLDER, PAGES


def main() -> None:
    """Write each page anew."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
