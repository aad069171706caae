// A notice board; written after grouping was tuned.
class Board {
  constructor(notes) {
    this.notes = notes;
  }
  latest() {
    return this.notes[this.notes.length - 1].title.trim();
  }
  pin(note) {
    if (!note.author) throw new TypeError("note has no author");
    if (this.notes.length > 99) throw new RangeError(`board of ${note.author} is full`);
    this.notes.push(note);
  }
  render(target) {
    target.replaceChildren(...this.notes.map((note) => note.element()));
  }
}

export function bug_nothing_pinned(v) {
  return new Board([]).latest();
}

export function bug_note_without_title(v) {
  return new Board([{ text: v.word }]).latest();
}

export function bug_note_without_author(v) {
  new Board([]).pin({ title: v.word });
}

export function bug_board_is_full(v) {
  new Board(Array(100).fill(v.id)).pin({ author: v.name });
}

export function bug_nowhere_to_render(v) {
  new Board([]).render(null);
}

export function bug_note_without_element(v) {
  new Board([{ title: v.word }]).render({ replaceChildren() {} });
}

function parsePrice(text) {
  return BigInt(text) * 100n;
}

export function bug_price_is_no_number(v) {
  return parsePrice(v.word);
}

async function fetchNote(id) {
  await null;
  const answer = { status: 500 + (id % 3) };
  if (answer.status >= 500) throw new Error(`note ${id}: server answered ${answer.status}`);
  return answer;
}

export async function bug_server_fails(v) {
  return (await fetchNote(v.id)).body;
}

export function bug_frozen(v) {
  "use strict";
  const options = Object.freeze({ color: "red" });
  options.color = v.word;
}

export function bug_bad_pattern(v) {
  return new RegExp(`(${v.word}`).test(v.name);
}

export async function bug_rejected_with_cause(v) {
  try {
    await fetchNote(v.id);
  } catch (error) {
    throw new Error("notes cannot be shown", { cause: error });
  }
}
