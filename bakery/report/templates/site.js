// Filters the table of images and copies text. Everything can be read without it.
"use strict";
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
const filter = document.getElementById("filter");
if (filter) {
  const rows = [...document.querySelectorAll("#images tbody tr")];
  const fields = [...filter.querySelectorAll("select")];
  const update = () => {
    for (const row of rows) row.hidden = fields.some(({ name, value }) => value && row.dataset[name] !== value);
    const shown = rows.filter((row) => !row.hidden).length;
    document.getElementById("count").textContent = `${shown} of ${rows.length} images`;
    document.getElementById("none").hidden = shown > 0;
  };
  filter.hidden = false;
  filter.addEventListener("change", update);
  filter.addEventListener("submit", (event) => event.preventDefault());
  update();
}
