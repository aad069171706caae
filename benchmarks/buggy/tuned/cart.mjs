// A cart in a page or in Node.
class CartError extends Error {}

class Cart {
  constructor(lines) {
    this.lines = lines;
    this.coupon = undefined;
  }
  total() {
    return this.lines.map((line) => line.price.amount * line.quantity).reduce((sum, one) => sum + one, 0);
  }
  discount() {
    return this.coupon.percent * this.total();
  }
  checkout(card) {
    if (!this.lines.length) throw new CartError("cart is empty");
    if (card.balance < this.total()) throw new CartError(`card ${card.number} has only ${card.balance}`);
    return card;
  }
}

export function bug_no_coupon(v) {
  return new Cart([]).discount();
}

export function bug_line_without_price(v) {
  return new Cart([{ quantity: v.id }]).total();
}

export function bug_empty_cart(v) {
  return new Cart([]).checkout({ balance: v.amount });
}

export function bug_poor_card(v) {
  return new Cart([{ price: { amount: v.amount }, quantity: 2 }]).checkout({ balance: v.amount, number: v.id });
}

export function bug_no_json(v) {
  return readOrder(`<order>${v.id}</order>`);
}

function readOrder(text) {
  const order = JSON.parse(text);
  return order.lines.length;
}

export function bug_order_without_lines(v) {
  return readOrder(JSON.stringify({ id: v.id }));
}

function walk(node) {
  return walk(node.parent ?? node);
}

export function bug_walks_without_end(v) {
  return walk({ id: v.id });
}

export function bug_bad_date(v) {
  return formatDay(new Date(v.word));
}

function formatDay(day) {
  return day.toISOString().slice(0, 10);
}

export async function bug_no_member(v) {
  return greeting(await loadMember(v));
}

async function loadMember(v) {
  await null;
  return { id: v.id };
}

function greeting(member) {
  return member.name.first.toUpperCase();
}

export function bug_not_a_function(v) {
  const plugin = { name: v.word };
  return plugin.start(v.id);
}

function ship(order) {
  try {
    return order.address.street;
  } catch (error) {
    throw new CartError(`order ${order.id} cannot be shipped`, { cause: error });
  }
}

export function bug_no_address(v) {
  return ship({ id: v.id });
}

export async function bug_all_fail(v) {
  return await Promise.any([fails(v.id), fails(v.id + 1)]);
}

async function fails(id) {
  await null;
  throw new RangeError(`mirror ${id} does not answer`);
}

export function bug_bad_length(v) {
  return new Array(-v.id).fill(0);
}

export function bug_bad_uri(v) {
  return decodeURIComponent(`%${v.word}`);
}
