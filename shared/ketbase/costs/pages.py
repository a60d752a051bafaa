"""A statement as a PDF: totals, a chart by day, and tables by backend and by user. Needs the extra `statements`."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from fpdf import FPDF
from fpdf.enums import Align, TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

from ketbase.costs import months
from ketbase.costs.statement import Statement, StatementLine
from ketbase.money import NANO, Money

_FONT = "helvetica"
_INK, _GREY, _PALE, _WHITE = (33, 37, 41), (110, 117, 125), (225, 229, 233), (255, 255, 255)
_BAR = (0, 98, 210)
_CENT = NANO // 100
_MARGIN_MM, _LINE_MM = 18, 5.5
_CHART_MM, _AXIS_MM = 46, 20
_LARGEST_ROWS = 40
"""Rows of a table; the CSV has all."""
_STEPS = (1, 2, 5)
_TICKS = 4


class _Page(FPDF):
    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(_FONT, size=8)
        self.set_text_color(*_GREY)
        self.cell(0, 5, f"Page {self.page_no()} of {{nb}}", align=Align.R)


def as_pdf(statement: Statement) -> bytes:
    """Draw a statement on A4. Names in other alphabets than the Latin one lose their letters; addresses stay."""
    page = _Page(format="A4")
    page.set_creation_date(statement.created_at)
    page.set_title(_latin(f"Ketbase statement {statement.month}, {statement.organization}"))
    page.set_margin(_MARGIN_MM)
    page.set_auto_page_break(True, margin=_MARGIN_MM)
    page.add_page()
    _head(page, statement)
    _totals(page, statement)
    _chart(page, statement)
    places = _places(line.cost for line in (*statement.by_backend, *statement.by_user))
    _table(page, "By backend", "Backend", statement.by_backend, places)
    _table(page, "By user", "User", statement.by_user, places)
    _notes(page, statement, places)
    return bytes(page.output())


def _head(page: FPDF, statement: Statement) -> None:
    _write(page, "KETBASE STATEMENT", 9, _GREY)
    _write(page, f"{months.begin(statement.month):%B %Y}", 22, _INK, bold=True, height=11)
    _write(page, statement.organization, 12, _INK)
    state = "Final" if statement.final else "Preliminary"
    _write(
        page, f"{state}, as of {statement.created_at:%d %B %Y %H:%M} UTC   {statement.organization_id}", 8, _GREY
    )
    page.ln(4)


def _totals(page: FPDF, statement: Statement) -> None:
    limit = "none" if statement.monthly_limit is None else _dollars(statement.monthly_limit, 2)
    figures = (
        ("Total", _dollars(statement.total, _places([statement.total]))),
        ("Monthly limit", limit),
        ("Jobs", f"{statement.jobs:,}"),
        ("Shots", f"{statement.shots:,}"),
        ("Compute", f"{statement.compute_seconds / 3_600:,.2f} h"),
    )
    top, width = page.get_y(), page.epw / len(figures)
    page.set_draw_color(*_PALE)
    page.line(page.l_margin, top, page.l_margin + page.epw, top)
    for number, (name, value) in enumerate(figures):
        page.set_xy(page.l_margin + number * width, top + 3)
        page.set_font(_FONT, size=8)
        page.set_text_color(*_GREY)
        page.cell(width, 4, name, new_x=XPos.LEFT, new_y=YPos.NEXT)
        page.set_font(_FONT, style="B", size=12)
        page.set_text_color(*_INK)
        page.cell(width, 7, value)
    page.set_xy(page.l_margin, top + 17)
    page.line(page.l_margin, top + 17, page.l_margin + page.epw, top + 17)
    page.ln(6)


def _chart(page: FPDF, statement: Statement) -> None:
    """Draw a bar for each day, between round amounts."""
    _write(page, "Cost by day", 11, _INK, bold=True, height=7)
    top, left = page.get_y() + 2, page.l_margin + _AXIS_MM
    width = page.epw - _AXIS_MM
    bottom = top + _CHART_MM
    highest = max(day.cost.nano for day in statement.by_day)
    step = _tick(highest)
    scale = _CHART_MM / (step * max(-(-highest // step), 1))
    page.set_font(_FONT, size=7)
    page.set_text_color(*_GREY)
    page.set_draw_color(*_PALE)
    places = _places([Money(step)])
    for tick in range(0, max(-(-highest // step), 1) * step + 1, step):
        y = bottom - tick * scale
        page.line(left, y, left + width, y)
        page.set_xy(page.l_margin, y - 2)
        page.cell(_AXIS_MM - 2, 4, _dollars(Money(tick), places), align=Align.R)
    slot = width / len(statement.by_day)
    page.set_fill_color(*_BAR)
    for number, day in enumerate(statement.by_day):
        height = day.cost.nano * scale
        if height:
            page.rect(left + number * slot + slot * 0.15, bottom - height, slot * 0.7, height, style="F")
        if day.date.day == 1 or day.date.day % 5 == 0:
            page.set_xy(left + number * slot, bottom + 1)
            page.cell(slot, 4, str(day.date.day), align=Align.C)
    page.set_fill_color(*_WHITE)
    page.set_xy(page.l_margin, bottom + 9)


def _table(page: FPDF, title: str, what: str, lines: Sequence[StatementLine], places: int) -> None:
    if not lines:
        return
    _write(page, title, 11, _INK, bold=True, height=7)
    page.set_font(_FONT, size=9)
    page.set_text_color(*_INK)
    page.set_draw_color(*_PALE)
    with page.table(
        col_widths=(46, 12, 14, 18, 20),
        text_align=("LEFT", "RIGHT", "RIGHT", "RIGHT", "RIGHT"),
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis="BOLD", color=_GREY),
        line_height=_LINE_MM,
    ) as table:
        table.row((what, "Jobs", "Circuits", "Shots", "Cost"))
        for line in lines[:_LARGEST_ROWS]:
            name = line.name if line.email is None else f"{line.name} <{line.email}>"
            figures = (f"{line.jobs:,}", f"{line.circuits:,}", f"{line.shots:,}", _dollars(line.cost, places))
            table.row((_latin(name), *figures))
    page.ln(5)


def _notes(page: FPDF, statement: Statement, places: int) -> None:
    notes = [
        "All amounts in US dollars. The month in which a job was submitted pays for it; days are in UTC, by the "
        "end of the job.",
        f"Each job: GET /v1/statements/{statement.month}?format=csv",
    ]
    if places > 2:
        notes.append(f"Amounts are rounded to {places} places; the CSV has them exactly.")
    if statement.open:
        notes.append(f"Jobs that are not over may add up to {_dollars(statement.open, 2)}.")
    if max(len(statement.by_backend), len(statement.by_user)) > _LARGEST_ROWS:
        notes.append(f"The tables show the {_LARGEST_ROWS} largest lines.")
    page.set_font(_FONT, size=8)
    page.set_text_color(*_GREY)
    for note in notes:
        page.multi_cell(0, 4, note, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _write(
    page: FPDF, text: str, size: int, color: tuple[int, int, int], *, bold: bool = False, height: float = 5
) -> None:
    page.set_font(_FONT, style="B" if bold else "", size=size)
    page.set_text_color(*color)
    page.cell(0, height, _latin(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _tick(highest: int) -> int:
    """Choose a round step, in nano-dollars, of which at most four reach the highest amount."""
    size = 1
    while True:
        for factor in _STEPS:
            if factor * size * _TICKS >= highest:
                return factor * size
        size *= 10


def _places(amounts: Iterable[Money]) -> int:
    """Two decimal places where they are enough, six otherwise."""
    return 2 if all(amount.nano % _CENT == 0 for amount in amounts) else 6


def _dollars(amount: Money, places: int) -> str:
    rounded = amount.dollars.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    return f"${rounded:,}"


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")
