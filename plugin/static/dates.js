/** Dates as a clinician reads them: the month in letters, and no time that the source did not give. */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const PARTS = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?$/;

function written(year, month, day, hour, minute) {
  const date = [day && String(Number(day)), month && MONTHS[Number(month) - 1], year].filter(Boolean).join(" ");
  return hour === undefined ? date : `${date}, ${hour}:${minute}`;
}

/**
 * FHIR date, dateTime or instant in words. A time with an offset is shown in this computer's zone;
 * one without is the hospital's wall clock (DICOM often says no zone) and is shown as it stands.
 */
export function dateInWords(text) {
  const parts = PARTS.exec(text ?? "");
  if (!parts) return text || null;
  const [, year, month, day, hour, minute, offset] = parts;
  if (!offset) return written(year, month, day, hour, minute);
  const instant = new Date(text);
  if (Number.isNaN(instant.getTime())) return written(year, month, day, hour, minute);
  const two = (number) => String(number).padStart(2, "0");
  return written(
    String(instant.getFullYear()), two(instant.getMonth() + 1), two(instant.getDate()),
    two(instant.getHours()), two(instant.getMinutes()),
  );
}

/** Whole years between a birth date and today; null when the day is not known. */
export function ageInYears(birthDate, today = new Date()) {
  const parts = PARTS.exec(birthDate ?? "");
  if (!parts || !parts[3]) return null;
  const [year, month, day] = parts.slice(1, 4).map(Number);
  const hadBirthday = today.getMonth() + 1 > month || (today.getMonth() + 1 === month && today.getDate() >= day);
  const years = today.getFullYear() - year - (hadBirthday ? 0 : 1);
  return years >= 0 ? years : null;
}
