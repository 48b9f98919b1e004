// A tree of plain objects, and the document made like it.
//
// What must never happen here: text that becomes markup. Text only ever becomes text nodes and attributes; the browser is told to refuse
// everything else (require-trusted-types-for).

const SVG = 'http://www.w3.org/2000/svg';
const DRAWN = new Set(['svg', 'g', 'path', 'rect', 'line', 'circle', 'text', 'title', 'defs', 'pattern', 'polyline']);

/** An element: h('p', {class: 'x', onclick: f}, 'text', child, …). Children that are false, null or undefined are none. */
export function h(tag, attributes, ...children) {
  return { tag, attributes: attributes ?? {}, children: children.flat(Infinity).filter((it) => it !== null && it !== undefined && it !== false) };
}

/** Makes the children of an element what these are, and touches nothing that is so already: focus, selection and scrolling stay. */
export function render(element, ...children) {
  patchChildren(element, children.flat(Infinity).filter(Boolean));
}

const keyOf = (wanted) => (typeof wanted === 'object' ? wanted.attributes.key : undefined);

function patchChildren(element, wanted) {
  const old = [...element.childNodes];
  const keyed = new Map(old.filter((node) => node.cfKey !== undefined).map((node) => [node.cfKey, node]));
  const free = old.filter((node) => node.cfKey === undefined);
  let place = element.firstChild;
  for (const it of wanted) {
    const key = keyOf(it);
    let node;
    if (key !== undefined) {
      node = keyed.get(key);
      keyed.delete(key);
    } else {
      const index = free.findIndex((candidate) => fits(candidate, it));
      if (index >= 0) [node] = free.splice(0, index + 1).slice(-1);
    }
    const patched = node && fits(node, it) ? patch(node, it) : make(it, element);
    if (patched !== place) element.insertBefore(patched, place);
    place = patched.nextSibling;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function fits(node, wanted) {
  return typeof wanted === 'object' ? node.cfTag === wanted.tag : node.nodeType === Node.TEXT_NODE;
}

function make(wanted, parent) {
  if (typeof wanted !== 'object') return document.createTextNode(String(wanted));
  const drawn = wanted.tag === 'svg' || (DRAWN.has(wanted.tag) && parent.namespaceURI === SVG);
  const node = drawn ? document.createElementNS(SVG, wanted.tag) : document.createElement(wanted.tag);
  node.cfTag = wanted.tag;
  node.cfKey = wanted.attributes.key;
  return patch(node, wanted);
}

function patch(node, wanted) {
  if (typeof wanted !== 'object') {
    if (node.data !== String(wanted)) node.data = String(wanted);
    return node;
  }
  const before = node.cfAttributes ?? {};
  for (const [name, value] of Object.entries(wanted.attributes)) set(node, name, value, before[name]);
  for (const name of Object.keys(before)) if (!(name in wanted.attributes)) set(node, name, undefined, before[name]);
  node.cfAttributes = wanted.attributes;
  patchChildren(node, wanted.children);
  return node;
}

function set(node, name, value, before) {
  if (value === before || name === 'key') return;
  if (name.startsWith('on')) {
    node[name] = value ?? null;
  } else if (name === 'vars') {
    // Sizes that come from data: by the style's own interface, never as text of a style.
    for (const [variable, size] of Object.entries(value ?? {})) node.style.setProperty(`--${variable}`, String(Number(size)));
  } else if (value === undefined || value === null || value === false) {
    node.removeAttribute(name);
  } else {
    node.setAttribute(name, value === true ? '' : String(value));
  }
}
