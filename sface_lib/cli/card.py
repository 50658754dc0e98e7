"""`sface data card`: a page on one set, the same as JSON, and Croissant metadata."""

from argparse import Namespace
from pathlib import Path

from sface_lib.cli.options import FORMS, Commands, add_command, choice, option, required

PICTURES, COLUMNS, PICTURE_SIZE_PX = 24, 8, 112
OPTIONS = (
    option("source", metavar="SET", help=FORMS),
    required("--out", "DIR", "folder of the card"),
    option("--name", default="", help="the set's name; default: that of its file"),
    choice(
        "--classes",
        ("own", "folders", "authentic", "none"),
        "what its classes are: identities of its own, identities of its own by folder alone, the authentic identities "
        "of the same names, or nothing",
    ),
    option("--against", metavar="AUTHENTIC", help="the authentic set to which links are measured"),
    option(
        "--control",
        metavar="FACES",
        help="faces of unseen persons from the distribution of the authentic set; label-free links are claimed only "
        "with them",
    ),
    option(
        "--verifier",
        default="embedded",
        metavar="FILE",
        help="weights of a recognition model; default: embedded, the shipped one, for rendered faces",
    ),
    option(
        "--classifier",
        default="none",
        metavar="FILE",
        help="an attribute classifier, or 'auto' for the shipped one, for rendered faces; default: none",
    ),
    option("--description", default="", metavar="TEXT", help="what the set is, in a sentence"),
    option("--credit", default="", metavar="TEXT", help="who made it"),
    option("--licence", default="", metavar="TEXT", help="the licence: its name or web address"),
    option("--pictures", action="store_true", help=f"show the first {PICTURES} images"),
)


def add_command_to(actions: Commands) -> None:
    """`data card`."""
    add_command(
        actions,
        "card",
        write_card,
        OPTIONS,
        help="write a card of a set: a page, the same as JSON, and Croissant metadata",
        description="Report the contents of a set, its verification metrics and the attributes of its faces and, with "
        "--against, its links to an authentic set. Writes card.html, card.json and croissant.json. Images are shown "
        "with --pictures alone.",
    )


def write_card(arguments: Namespace) -> None:
    """`sface data card`."""
    from sface_lib.attributes import SHIPPED_PATH
    from sface_lib.chapters import card as cards
    from sface_lib.chapters.setspec import SetSpec
    from sface_lib.chapters.study import weights_file
    from sface_lib.engine import make_accelerator
    from sface_lib.files import write_json
    from sface_lib.population import VERIFIER_PATH
    from sface_lib.recognition import Embedder
    from sface_lib.report.page import write_page
    from sface_lib.run.fragments import table_html
    from sface_lib.run.parameters import check
    from sface_lib.run.results import as_plain

    source, out = Path(arguments.source), Path(arguments.out)
    name = arguments.name or source.name.partition(".")[0]
    card = cards.make_card(
        name,
        check(SetSpec, {"name": "set", "path": str(source), "labels": arguments.classes}),
        weights_file(arguments.verifier, VERIFIER_PATH),
        Embedder(make_accelerator()),
        against=arguments.against,
        control=arguments.control,
        classifier=weights_file(arguments.classifier, SHIPPED_PATH),
    )
    pieces = [table_html(table, caption) for caption, table in cards.tables(card).items()]
    if arguments.pictures:
        pieces.append(_pictures(source))
    page = write_page(out / "card.html", f"Synthetic faces: {name}", _intro(arguments), [("Card", pieces)])
    write_json(out / "card.json", as_plain(card, cards.SetCard))
    metadata = cards.croissant(card, source, arguments.licence, arguments.credit, arguments.description)
    write_json(out / "croissant.json", metadata)
    print(f"Card: {page}")


def _pictures(source: Path) -> str:
    """The first images of a set as a figure of the page."""
    from sface_lib.chapters.sheets import contact_sheet, split_rows
    from sface_lib.data import open_faces
    from sface_lib.run.fragments import figure_html, png_of_pixels

    faces, caption = open_faces(source, "skip"), "The first images of the set."
    images = faces.load(range(min(len(faces), PICTURES)), size_px=PICTURE_SIZE_PX).numpy()
    return figure_html(png_of_pixels(contact_sheet(split_rows(images, COLUMNS))), caption, caption)


def _intro(arguments: Namespace) -> str:
    """Description, credit and licence of a set, as far as they are given."""
    stated = {"Credit": arguments.credit, "Licence": arguments.licence}
    parts = [arguments.description, *(f"{title}: {text}." for title, text in stated.items() if text)]
    return " ".join(part for part in parts if part) or "Neither credit nor licence is stated."
