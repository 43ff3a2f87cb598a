// Solve the puzzle of the page (see web/public/challenge.py) and send the form: sha256(stamp:proof) with leading zeros.
"use strict";

const form = document.querySelector("form[data-bits]");

async function solve(stamp, bits) {
  const encoder = new TextEncoder();
  for (let number = 0; ; number++) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(`${stamp}:${number}`)));
    const head = ((digest[0] << 24) | (digest[1] << 16) | (digest[2] << 8) | digest[3]) >>> 0;
    if (head >>> (32 - bits) === 0) return String(number);
  }
}

if (window.crypto?.subtle) {
  solve(form.elements.stamp.value, Number(form.dataset.bits)).then((proof) => {
    form.elements.proof.value = proof;
    form.requestSubmit();
  });
}
