"""A model card as one page of HTML that needs nothing beside it; its pictures are SVG by matplotlib."""

import io
import re
from collections.abc import Iterable
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ketbase.models.cards import ModelCard
from ketbase.models.types import Estimate, Metrics

_INK, _GREY, _BLUE, _ORANGE = "#212529", "#6e757d", "#0062d2", "#d97706"
_MOST_NUMBERED = 12
"""Classes up to which a confusion matrix has numbers."""
_STYLE = f"""
body {{ font: 15px/1.5 system-ui, sans-serif; color: {_INK}; max-width: 62rem; margin: 2rem auto; }}
h1 {{ margin-bottom: 0; }} h2 {{ margin-top: 2.2rem; border-top: 1px solid #e1e5e9; padding-top: 1rem; }}
table {{ border-collapse: collapse; }} th, td {{ padding: .25rem .9rem .25rem 0; text-align: left; }}
th {{ color: {_GREY}; font-weight: 500; }} td.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
.sub {{ color: {_GREY}; }} .row {{ display: flex; flex-wrap: wrap; }}
svg {{ max-width: 100%; height: auto; }}
code {{ font-size: .9em; overflow-wrap: anywhere; }} tr.own td {{ font-weight: 600; }}
"""


def as_html(card: ModelCard) -> bytes:
    """Draw a card."""
    model = card.model
    shown = model.evaluation[card.measured_on]
    parts = [
        f"<h1>{_text(model.name)}</h1>",
        f'<p class="sub">Version {_text(model.version)} · {model.status} · {model.method} · '
        f"{model.n_qubits} qubits · {model.n_parameters} parameters · <code>{_text(model.id)}</code></p>",
        "<h2>How well it does</h2>",
        *(f"<p>{_text(each.verdict)}</p>" for each in card.baselines),
        _metrics_table(card),
        f'<div class="row">{_confusion(shown, [str(each) for each in model.classes])}{_reliability(shown)}</div>',
        "<h2>How it was trained</h2>",
        _loss_curves(card) if len(card.history) > 1 else "",
        _lineage(card),
        "<h2>What it costs</h2>",
        f"<p>Training cost ${model.training_cost}. One prediction, computed exactly, is expected to cost "
        f"${model.cost_per_prediction}; a million of them ${model.cost_per_prediction * 1_000_000}.</p>",
        "<h2>Versions</h2>",
        _versions(card),
        f'<p class="sub">As of {card.created_at:%d %B %Y %H:%M} UTC</p>',
    ]
    title = f"{model.name} {model.version}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>"
    ).encode()


# --- Tables ---


def _metrics_table(card: ModelCard) -> str:
    rows = [(f"this model, {part}", each, True) for part, each in card.model.evaluation.items()]
    rows += [(f"{name.replace('_', ' ')}, {card.measured_on}", each, False) for name, each in
             card.model.baselines.items()]  # fmt: skip
    body = "".join(
        f'<tr class="{"own" if own else ""}"><td>{_text(name)}</td><td class="n">{each.n_samples}</td>'
        f'<td class="n">{_interval(each.accuracy)}</td><td class="n">{_interval(each.f1)}</td>'
        f'<td class="n">{_interval(each.loss)}</td><td class="n">{each.calibration_error:.3f}</td></tr>'
        for name, each, own in rows
    )
    head = "".join(f"<th>{name}</th>" for name in ("", "samples", "accuracy", "F1", "loss", "calibration error"))
    return f"<table><tr>{head}</tr>{body}</table><p class='sub'>With 95 % intervals.</p>"


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _lineage(card: ModelCard) -> str:
    lineage = card.model.lineage
    data = lineage.data
    counts = ", ".join(f"{name} {sum(each)}" for name, each in data.counts.items())
    rows = [
        ("job", f"<code>{_text(lineage.job_id)}</code>"),
        ("circuit", f"{_text(lineage.circuit_id or 'a template')}, SHA-256 {_code(lineage.circuit_sha256)}"),
        ("data", f"{_text(data.type)} ({_text(counts)}), SHA-256 {_code(data.sha256)}"),
        ("classes", _text(", ".join(map(str, data.classes)))),
        ("artifact", ", ".join(f"{_text(name)} {_code(sha)}" for name, sha in card.model.artifact.sha256.items())),
        ("software", _text(", ".join([f"Ketbase {lineage.code_version}", *_versions_of(lineage.sdk)]))),
        ("settings", _text(", ".join(_settings(card.model.config)))),
    ]  # fmt: skip
    return "<table>" + "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows) + "</table>"


def _versions_of(sdk: dict[str, str]) -> Iterable[str]:
    return (f"{name} {version}" for name, version in sorted(sdk.items()) if name != "ketbase")


def _settings(config: dict[str, Any]) -> Iterable[str]:
    plain = {name: value for name, value in config.items() if isinstance(value, str | int | float)}
    return (f"{name} {value}" for name, value in sorted(plain.items()))


def _versions(card: ModelCard) -> str:
    rows = "".join(
        f'<tr class="{"own" if each.id == card.model.id else ""}"><td>{_text(each.version)}</td>'
        f"<td>{each.status}</td><td class='n'>{each.metrics['accuracy']:.3f}</td>"
        f"<td>{each.created_at:%d %B %Y}</td><td><code>{_text(each.id)}</code></td></tr>"
        for each in card.versions
    )
    head = "".join(f"<th>{name}</th>" for name in ("version", "status", "accuracy", "registered", "model"))
    return f"<table><tr>{head}</tr>{rows}</table>"


def _text(value: object) -> str:
    return escape(str(value))


def _code(sha256: str) -> str:
    return f'<code title="{_text(sha256)}">{_text(sha256[:12])}</code>'


# --- Pictures ---


def _loss_curves(card: ModelCard) -> str:
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    epochs = [each.number for each in card.history]
    axes.plot(epochs, [each.loss for each in card.history], color=_BLUE, label="training")
    validated = [(each.number, each.val_loss) for each in card.history if each.val_loss is not None]
    if validated:
        axes.plot(*zip(*validated, strict=True), color=_ORANGE, label="validation")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend(frameon=False)
    return _svg(figure, "loss", "Loss by epoch")


def _confusion(metrics: Metrics, classes: list[str]) -> str:
    figure = Figure(figsize=(4, 3.6), layout="constrained")
    axes = figure.subplots()
    most = max(max(row) for row in metrics.confusion)
    axes.imshow(metrics.confusion, cmap="Blues", vmin=0, vmax=max(most, 1))
    if len(classes) <= _MOST_NUMBERED:
        for row, counts in enumerate(metrics.confusion):
            for column, count in enumerate(counts):
                ink = "white" if count > most / 2 else _INK
                axes.text(column, row, str(count), ha="center", va="center", color=ink)
        axes.set_xticks(range(len(classes)), [_label(each) for each in classes])
        axes.set_yticks(range(len(classes)), [_label(each) for each in classes])
    axes.set(xlabel="taken for", ylabel="is", title="Confusion matrix")
    return _svg(figure, "confusion", "Confusion matrix")


def _reliability(metrics: Metrics) -> str:
    figure = Figure(figsize=(4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--")
    most = max((each.count for each in metrics.reliability), default=1)
    axes.scatter(
        [each.confidence for each in metrics.reliability],
        [each.accuracy for each in metrics.reliability],
        s=[20 + 180 * each.count / most for each in metrics.reliability],
        color=_BLUE,
        alpha=0.7,
    )
    axes.set(
        xlabel="how sure it was",
        ylabel="how often it was right",
        title="Reliability",
        xlim=(0, 1.03),
        ylim=(0, 1.03),
    )
    return _svg(figure, "reliability", "Reliability diagram")


def _label(name: str) -> str:
    """Keep a label short, and its dollar signs from being read as mathematics."""
    return (name if len(name) <= 12 else f"{name[:11]}…").replace("$", r"\$")


def _svg(figure: Figure, name: str, title: str) -> str:
    """Draw a figure; ids are its own, since all pictures lie in one page."""
    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": f"ketbase-{name}", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    picture = file.getvalue()
    picture = picture[picture.index("<svg") :]
    picture = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", picture)
    return f'<figure role="img" aria-label="{_text(title)}">{picture}</figure>'
