// The script of a page that shows one run by itself, without a kernel and without a network.

import { sentence } from "./format";
import widget from "./index";
import { PageModel } from "./page/model";
import { unpack } from "./page/unpack";

async function open(home: HTMLElement): Promise<void> {
  const held = document.getElementById("roma-run");
  try {
    const model = new PageModel(await unpack(held?.textContent ?? null));
    held?.remove(); // megabytes, of which nothing is needed any more
    widget.render({ model, el: home });
  } catch (error) {
    home.textContent = sentence(error);
  }
}

const home = document.getElementById("roma-page");
if (home !== null) void open(home);
