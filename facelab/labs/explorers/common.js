"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = id => document.getElementById(id);

// An element of HTML; children are elements or text. A label is text, whatever is in it.
function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function drawn(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(target, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) target.setAttribute(key, value);
  target.append(...children);
  return target;
}

// Face number `row` of the sheet, as a canvas that a screen reader calls `label`.
function faceCanvas(sheet, row, side, label) {
  const canvas = element("canvas", { width: side, height: side, role: "img", "aria-label": label });
  drawFace(canvas.getContext("2d"), sheet, row, 0, 0, side);
  return canvas;
}

function drawFace(target, sheet, row, x, y, side) {
  const cut = data.faces.side, columns = data.faces.columns;
  target.drawImage(sheet, (row % columns) * cut, Math.floor(row / columns) * cut, cut, cut, x, y, side, side);
}

// Calls `start` with the sheet of faces once it is there; with null where the page has none.
function withFaces(start) {
  if (!data.faces) return start(null);
  const sheet = new Image();
  sheet.onload = () => start(sheet);
  sheet.src = data.faces.sheet;
}

// A share in per cent, as a person reads it: small rates need more digits than large ones.
function digits(share) {
  const value = 100 * share;
  return value === 0 || value >= 10 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toPrecision(2);
}

const percent = share => digits(share) + " %";
