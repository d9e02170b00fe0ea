"use strict";
const $ = (id) => document.getElementById(id);
const figure = (number) => number.toLocaleString("en");
const counted = (number, noun) => `${figure(number)} ${noun}${number === 1 ? "" : "s"}`;

// Everything from outside goes through here, as text.
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
