"""Words for writing about what became of the library catalogue."""

from __future__ import annotations

from roma_widget.server.scenarios.topics.topic import Measure, Topic, lines, names

CATALOGUE = Topic(
    name="catalogue",
    subject="what became of the library catalogue",
    reader="the board of a city library",
    keywords=names("library, libraries, catalogue, catalogues, authority, headings"),
    strands=names(
        "card catalogues and their conversion, subject headings and their quarrels, search boxes and what they hide,"
        " shared records between libraries"
    ),
    questions=lines("""
        error rates of card catalogues converted by hand
        how readers phrase searches that find nothing
        changes of subject headings and who asks for them
        costs of a shared record compared with a local one
        duplicates in union catalogues and how they are merged
        shelf-marks that no longer match the shelf
        authority files for names in several scripts
        relevance ranking and the loss of older books
        what card drawers recorded that databases dropped
        accessibility of catalogue pages for screen readers
        privacy of loan histories and search logs
        machine-made summaries in catalogue records
        local history collections without any record
        training of cataloguers and their number since 1990
    """),
    things=names(
        "card drawers, authority files, subject headings, shelf-marks, union catalogues, search logs, shared records,"
        " loan histories, finding aids, duplicate records, name variants, local collections"
    ),
    people=names(
        "cataloguers, readers, branch librarians, archivists, vendors, subject specialists, volunteers, students"
    ),
    effects=lines("""
        the share of searches that find nothing
        the backlog of uncatalogued gifts
        the cost of one record
        the drift between catalogue and shelf
        the loss of notes written on cards
        the advantage of recent books in the ranking
        the time a new heading needs to arrive
        the trust readers put in the first page
    """),
    causes=names(
        "a hurried conversion, an outdated heading, a missing authority file, a merged branch, a vendor's default,"
        " an unread log, a second script, a lost card, the closing of a reading room"
    ),
    places=names(
        "Eastmere, Saint Aubrey, Kallio Square, Grenfeld, Old Harbour, Tamsin Park, Bellavista, Rook Lane"
    ),
    measures=(
        Measure("an error rate of {} %", 0.4, 9.7, 1),
        Measure("a cost of {} euros a record", 1.2, 31, 2),
        Measure("a backlog of {} thousand volumes", 2, 64),
        Measure("a failed-search rate of {} %", 7, 39),
        Measure("a duplicate rate of {} %", 1.1, 12.4, 1),
        Measure("a median query length of {} words", 1.8, 4.6, 1),
        Measure("a delay of {} months", 3, 44),
    ),
    claims=lines("""
        cards carried notes in the margin that no field of the database was made for
        readers blame themselves for a search that finds nothing, and do not ask
        a shared record is cheaper only for books that other libraries own
        ranking by loans buries what the library alone has kept
        a heading changes on paper years before it changes on the screen
        nobody knows the size of a backlog until somebody counts it
        names in two scripts become two people
        duplicates are born at mergers and are rarely buried
        a shelf-mark is a promise that the last move of the stacks broke
        search logs say more about the catalogue than surveys do
        volunteers describe photographs better than software does, and more slowly
        conversion by contract was paid by the card, and it shows
        a record without a subject is found only by those who know the title
        cataloguers leave and their rules leave with them
    """),
    chats=lines("""
        What is an authority file?
        Why do library catalogues show the same book three times?
        Who decides on subject headings?
        Can a library delete its search logs every night?
        What did card catalogues know that databases do not?
    """),
    code="""\
def same_work(a: dict[str, str], b: dict[str, str]) -> bool:
    \"\"\"Whether two records describe one work: names without accents, titles up to the first colon.\"\"\"
    def key(record: dict[str, str]) -> tuple[str, str]:
        return fold(record["author"]), fold(record["title"].split(":")[0])
    return key(a) == key(b)
""",
)
