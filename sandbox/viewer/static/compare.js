// Joins the two choices into the one parameter of the page's address.

const form = document.getElementById("picker");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const chosen = [...form.querySelectorAll("select")].map((field) => field.value).filter(Boolean);
  window.location.search = new URLSearchParams({ patients: chosen.join(",") }).toString();
});
