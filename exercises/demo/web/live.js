"use strict";

// Replaces the live part of the page every few seconds. What comes back is HTML that the server has escaped.
(() => {
  const PAUSE_MS = 3000;
  const live = document.getElementById("live");

  async function refresh() {
    try {
      const answer = await fetch(live.dataset.from, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      live.innerHTML = await answer.text();
      live.classList.remove("gone");
    } catch {
      live.classList.add("gone");
    }
    setTimeout(refresh, PAUSE_MS);
  }

  setTimeout(refresh, PAUSE_MS);
})();
