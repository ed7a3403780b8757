"""What was tried against shortcuts, as a table of the model card."""

from __future__ import annotations

from typing import Any

from training.markdown import table

_COLUMNS = {
    "without_ieee8023_auc": "ieee8023 unseen: AUC",
    "without_ieee8023_specificity_at_080": "specificity at 0.80",
    "without_nih_auc": "nih unseen: AUC",
    "without_nih_specificity_at_090": "specificity at 0.90",
    "without_nih_score_follows_opacity": "score follows opacity",
    "auc_within_ieee8023": "within ieee8023",
    "auc_lungs_blanked": "lungs blanked",
    "auc": "all sources",
}


def trials_table(kept: dict[str, Any]) -> str:
    """Markdown: one row a trial, in the order in which they were run.

    Parameters
    ----------
    kept : dict
        The content of ``trials.json``.
    """
    head = ("trial", *_COLUMNS.values())
    lines = []
    for name, trial in kept["trials"].items():
        changed = ", ".join(f"{key} {value}" for key, value in _plain(trial["changes"]).items())
        figures = (trial[key] for key in _COLUMNS)
        lines.append(
            (
                f"{name}: {changed}" if changed else name,
                *("–" if f is None else f"{f:.2f}" for f in figures),
            )
        )
    return (
        f"Short runs ({kept['epochs']} epochs) on folds 0 to 2, judged on fold 3 and on the adults "
        "of the source left out; the held-out fold plays no part. One seed: differences of a few "
        "hundredths are noise.\n\n" + table(head, lines)
    )


def _plain(changes: dict[str, Any]) -> dict[str, Any]:
    return {
        key: "other draws" if isinstance(value, dict) else value for key, value in changes.items()
    }
