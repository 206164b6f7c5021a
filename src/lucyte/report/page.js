"use strict";
// The page is whole without this: it filters cells, shows the cell under the pointer, opens
// what is folded before printing.
for (const box of document.querySelectorAll(".filters")) {
  box.hidden = box.children.length === 0;
  const chosen = (name) => box.querySelector(`[data-filter=${name}]`)?.value ?? "";
  box.addEventListener("change", () => {
    for (const group of box.parentElement.querySelectorAll(".cellgroup")) {
      let left = 0;
      for (const cell of group.querySelectorAll(".cell")) {
        const state = chosen("state");
        cell.hidden = state !== "" && cell.dataset.state !== state;
        left += cell.hidden ? 0 : 1;
      }
      const condition = chosen("condition");
      group.hidden = left === 0 || (condition !== "" && group.dataset.condition !== condition);
    }
  });
}

const holder = document.getElementById("map-data");
const sprite = document.getElementById("map-sprite");
if (holder && sprite) {
  const { across, points } = JSON.parse(holder.textContent);
  const side = 96;
  const card = document.createElement("div");
  card.className = "hover";
  card.hidden = true;
  const picture = document.createElement("div");
  const words = document.createElement("span");
  card.append(picture, words);
  document.body.append(card);
  const rows = Math.ceil(sprite.naturalHeight / (sprite.naturalWidth / across));
  picture.style.backgroundImage = `url(${sprite.src})`;
  for (const map of document.querySelectorAll("svg.map")) {
    map.addEventListener("pointermove", (event) => {
      const frame = map.getBoundingClientRect();
      const x = (event.clientX - frame.left) / frame.width;
      const y = (event.clientY - frame.top) / frame.width;
      let best = null;
      let nearest = 0.03 ** 2;
      for (const point of points) {
        const distance = (point[0] - x) ** 2 + (point[1] - y) ** 2;
        if (distance < nearest) {
          nearest = distance;
          best = point;
        }
      }
      card.hidden = best === null;
      if (best === null) return;
      picture.style.backgroundSize = `${across * side}px ${rows * side}px`;
      picture.style.backgroundPosition =
        `-${(best[2] % across) * side}px -${Math.floor(best[2] / across) * side}px`;
      words.textContent = best[3];
      card.style.left = `${Math.min(event.pageX + 14, document.body.clientWidth - 150)}px`;
      card.style.top = `${event.pageY + 14}px`;
    });
    map.addEventListener("pointerleave", () => { card.hidden = true; });
  }
}

addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});

const opened = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = target?.closest("details");
  if (folded) {
    folded.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", opened);
opened();
