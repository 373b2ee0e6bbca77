// An extra for those who have it: the page does everything without this file.
for (const button of document.querySelectorAll(".copy")) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById("cardNumber");
    field.value = button.dataset.number;
    field.focus();
    try {
      await navigator.clipboard.writeText(button.dataset.number);
    } catch {
      // The number is in the field already; a clipboard is not ours to insist on.
    }
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}
