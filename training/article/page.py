"""``README.md`` of the results: what was repeated, what came out, and why it means little."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from training.article.judging import Figures
from training.article.settings import CLASSES
from training.markdown import table

# Reported for one network: 39 of 40 validation images, 26 of 27 unseen ones.
REPORTED = ("the article", "0.975", "0.963", "1.0", "", "not looked at", "not looked at")


@dataclass(frozen=True)
class Done:
    """One finished repetition: its folder's name, figures and inputs."""

    name: str
    figures: Figures
    record: dict[str, Any]


def write_page(results: Path) -> None:
    """Write the page from every repetition whose figures lie in the folder."""
    done = [
        Done(path.parent.name, _read(path), _read(path.with_name("run.json")))
        for path in sorted(results.glob("*/figures.json"))
    ]
    text = (Path(__file__).parent / "page_template.md").read_text("utf-8")
    page = _finished_page(text, done) if done else _empty_page(text)
    (results / "README.md").write_text(page, "utf-8")


def _empty_page(text: str) -> str:
    """What it will be and how to run it, without a word about figures that are not there."""
    introduction, how = text.split("\n## ")[0], text.split("\n## ")[-1]
    none = "**No repetition is finished yet: there are no figures here.**"
    return f"{introduction}\n{none}\n\n## {Template(how).substitute(inputs='').rstrip()}\n"


def _finished_page(text: str, done: list[Done]) -> str:
    return Template(text).substitute(
        finished=_finished(done),
        figures=_figures(done),
        healthy=_healthy(done),
        leaks=_leaks(done),
        repetitions="\n\n".join(_one(each) for each in done),
        inputs=_inputs(done),
        **_facts(done[0].figures),
    )


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def _finished(done: list[Done]) -> str:
    leaky = [str(each.record["seed"]) for each in done if not each.record["without_leak"]]
    clean = [str(each.record["seed"]) for each in done if each.record["without_leak"]]
    parts = [f"as published with seed {_list(leaky)}"] if leaky else []
    parts += [f"without the leaking patient with seed {_list(clean)}"] if clean else []
    return f"Finished: {'; '.join(parts)}."


def _list(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _figures(done: list[Done]) -> str:
    validation, unseen = (done[0].figures[part]["images"] for part in ("validation", "unseen"))
    head = (
        "",
        f"validation accuracy ({validation})",
        f"accuracy on the {unseen} unseen",
        "their Covid-19 found",
        "their others not called Covid-19",
        "healthy adults called Covid-19",
        "healthy children called Covid-19",
    )
    return table(head, [REPORTED, *(_row(each) for each in done)])


def _row(one: Done) -> tuple[str, ...]:
    unseen, called = one.figures["unseen"], one.figures["called_covid"]
    return (
        f"[{_title(one)}](#{one.name})",
        _share(one.figures["validation"]["accuracy"]),
        _share(unseen["accuracy"]),
        _share(unseen["sensitivity"]),
        _share(unseen["specificity"]),
        _share(called["healthy_adults"]["all"]),
        _share(called["healthy_children"]["all"]),
    )


def _title(one: Done) -> str:
    without = ", without the leaking patient" if one.record["without_leak"] else ""
    return f"seed {one.record['seed']}{without}"


def _healthy(done: list[Done]) -> str:
    sources = sorted(done[0].figures["called_covid"]["healthy_adults"]["by_source"])
    rows = []
    for each in done:
        found = each.figures["called_covid"]["healthy_adults"]["by_source"]
        rows.append((_title(each), *(_share(found[source], counts=True) for source in sources)))
    return table(("", *sources), rows)


def _share(found: dict[str, Any], *, counts: bool = False) -> str:
    if found["value"] is None:
        return "–"
    text = f"{found['value']:.3f}"
    if found["low"] != found["high"]:
        text += f" [{found['low']:.2f}, {found['high']:.2f}]"
    return f"{text}, n {found['images']} / {found['groups']}" if counts else text


def _facts(figures: Figures) -> dict[str, Any]:
    people = figures["people"]
    others = [people[name] for name in CLASSES[1:]]
    return {
        "covid": people["covid"]["images"],
        "covid_children": people["covid"]["children"],
        "others": sum(part["images"] for part in others),
        "others_children": sum(part["children"] for part in others),
    }


def _leaks(done: list[Done]) -> str:
    rows = []
    for each in done:
        figures, rest = each.figures, each.figures["unseen_without_leaking"]
        rows.append(
            (
                _title(each),
                f"{len(figures['unseen_leaking'])} of {figures['unseen']['images']}",
                f"{rest['right']} of {rest['images']}",
                f"{len(figures['validation_leaking'])} of {figures['validation']['images']}",
            )
        )
    head = (
        "",
        "unseen, patient trained on",
        "right among the rest",
        "validation, patient trained on",
    )
    return table(head, rows)


def _one(one: Done) -> str:
    unseen = one.figures["unseen"]
    head = ("truth \\ answer", *CLASSES, "precision", "recall", "F1")
    rows = []
    for name, counts in zip(CLASSES, unseen["confusion_matrix"], strict=True):
        report = unseen["report"][name]
        shares = (report[key] for key in ("precision", "recall", "f1-score"))
        rows.append((name, *map(str, counts), *(f"{share:.2f}" for share in shares)))
    return "\n\n".join(
        (
            f'### <a id="{one.name}"></a>{_title(one)[0].upper()}{_title(one)[1:]}',
            f"The {unseen['images']} unseen images: {unseen['right']} right. Every answer is in "
            f"[predictions.csv]({one.name}/predictions.csv), the report of the validation images "
            f"in [figures.json]({one.name}/figures.json).",
            table(head, rows),
            f"![Loss and accuracy by epoch]({one.name}/curves.svg)",
        )
    )


def _inputs(done: list[Done]) -> str:
    rows = [
        (
            _title(each),
            f"{each.figures['seconds'] / 60:.0f} min",
            f"`{each.record['commit'][:12]}`",
            f"`{each.record['data_sha256'][:12]}`",
            each.record["start"]["weights"],
            ", ".join(f"{k} {v}" for k, v in sorted(each.record["libraries"].items())),
        )
        for each in done
    ]
    return table(("", "training took", "commit", "data", "start", "libraries"), rows)
