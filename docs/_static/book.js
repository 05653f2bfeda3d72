// What is wider than the screen can be scrolled by the keyboard too: it must be reachable by it.
"use strict";
const reachable = () => {
  for (const box of document.querySelectorAll(".highlight pre, div.math, .table-wrapper, .output")) {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  }
};
addEventListener("load", reachable);
addEventListener("resize", reachable);
