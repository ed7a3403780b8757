"""A Patient resource as the viewer shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sandbox.dicomweb.archive import Json
from sandbox.settings import MRN_SYSTEM


@dataclass(frozen=True)
class PatientView:
    """One patient, ready to be shown; every text may hold anything, templates escape it."""

    id: str
    name: str
    number: str
    birth_date: str
    age: str
    sex: str
    details: tuple[tuple[str, str], ...]

    def fits(self, words: str) -> bool:
        """Whether every word is part of the name, the number or the birth date."""
        text = f"{self.name} {self.number} {self.birth_date}".casefold()
        return all(word in text for word in words.casefold().split())


def view_patient(patient: Json) -> PatientView:
    """Show a Patient resource."""
    born = str(patient.get("birthDate", ""))
    return PatientView(
        id=str(patient.get("id", "")),
        name=_name(patient),
        number=_number(patient),
        birth_date=born,
        age=_age(born),
        sex=str(patient.get("gender") or "unknown"),
        details=tuple(_details(patient)),
    )


def _name(patient: Json) -> str:
    names = [name for name in patient.get("name", []) if isinstance(name, dict)]
    if not names:
        return "Name unknown"
    name = next((n for n in names if n.get("use") == "official"), names[0])
    family, given = str(name.get("family", "")), " ".join(map(str, name.get("given", [])))
    whole = ", ".join(part for part in (family, given) if part)
    return whole or str(name.get("text", "")) or "Name unknown"


def _number(patient: Json) -> str:
    numbers = {str(i.get("system")): str(i.get("value", "")) for i in patient.get("identifier", [])}
    return numbers.get(MRN_SYSTEM) or next(iter(numbers.values()), "")


def _age(born: str) -> str:
    try:
        birth = date.fromisoformat(born)
    except ValueError:
        return ""
    today = date.today()  # noqa: DTZ011  a birthday has no time zone
    years = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
    return f"{years} y" if years >= 2 else f"{max(0, (today - birth).days // 30)} mo"


def _details(patient: Json) -> list[tuple[str, str]]:
    rows = [("Record number", _number(patient))]
    rows += [(_kind(t), str(t.get("value", ""))) for t in patient.get("telecom", [])]
    for address in patient.get("address", []):
        parts = [*address.get("line", []), address.get("postalCode"), address.get("city")]
        rows.append(("Address", ", ".join(str(part) for part in parts if part)))
    return [(label, text) for label, text in rows if text]


def _kind(telecom: Json) -> str:
    return {"phone": "Telephone", "email": "E-mail"}.get(str(telecom.get("system")), "Contact")
