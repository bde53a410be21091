'use strict';
// Whatever a letter says becomes text here, and never markup: its HTML is shown in a frame that may do nothing.

const WORDS = {
  en: {},
  zh: {
    skip: '跳到邮件', mail: '邮件', search: '搜索', language: '语言', colours: '颜色', system: '跟随系统', light: '浅色', dark: '深色',
    clear: '全部删除', letters: '邮件列表', empty: '还没有邮件。请用 SMTP 发到本服务器的 smtp 端口。', more: '更早的邮件',
    none: '请选择一封邮件。按键：j、k 上下移动，/ 搜索，1 到 6 切换视图，Esc 返回。', sides: '邮件的各个视图',
    text: '文本', html: 'HTML', source: '源码', parts: '结构', journey: '旅程', findings: '问题',
    from: '发件人', to: '收件人', cc: '抄送', bcc: '密送', date: '日期', size: '大小', bytes: '字节',
    off: '连接中断，正在重试', sure: '删除全部邮件？', gone: '这封邮件已不在了', noText: '没有文本', noHtml: '没有 HTML',
    noFindings: '没有发现问题', note: '提示', links: '链接', save: '保存', dialogue: '对话', envelope: '信封', by: '经由', peer: '来自',
    login: '登录', boxes: '邮箱', since: '之后',
    fetched: '被取走', deleted: '被删除', forwarded: '已转发', queued: '等待转发', bounced: '被退回', as: '登录名 {0}', for: '给 {0}', at: '时间', seen: '已读', yes: '是', no: '否', noNote: '这封邮件不是经 SMTP 到达的',
    back: '返回邮件列表', noSubject: '（无主题）', remove: '删除这封', newLetter: '新邮件', count: '{0} 封，{1} 封未读', found: '找到 {0} 封', framed: '邮件的 HTML',
  },
};
Object.assign(WORDS.en, {
  text: 'Text', html: 'HTML', source: 'Source', parts: 'Parts', journey: 'Journey', findings: 'Findings',
  from: 'From', to: 'To', cc: 'Cc', bcc: 'Bcc', date: 'Date', size: 'Size', bytes: 'bytes',
  off: 'not connected, trying again', sure: 'Delete all letters?', gone: 'This letter is gone', noText: 'It has no text',
  noHtml: 'It has no HTML', noFindings: 'Nothing is wrong with it', since: 'Since then', fetched: 'fetched', deleted: 'deleted',
  forwarded: 'forwarded', queued: 'waits to be forwarded', bounced: 'came back', as: 'as {0}', for: 'for {0}', note: 'worth knowing', links: 'Links', save: 'save',
  dialogue: 'Dialogue', envelope: 'Envelope', by: 'By', peer: 'Came from', login: 'Logged in as', boxes: 'Boxes', at: 'At',
  seen: 'Read', yes: 'yes', no: 'no', noNote: 'It did not come by SMTP', noSubject: '(no subject)', remove: 'Delete this one',
  newLetter: 'New letter', count: '{0} letters, {1} unread', found: '{0} found', framed: 'HTML of the letter',
});
const SIDES = ['text', 'html', 'source', 'parts', 'journey', 'findings'];
const API = '/api/v1/';
const LONGEST_SOURCE = 1 << 20;

const $ = (id) => document.getElementById(id);
const english = {};
let lang = 'en', letters = [], limit = 50, chosen = null, side = 'text', letter = null, journey = null, turn = 0;

function t(word, ...values) {
  const text = WORDS[lang][word] || WORDS.en[word] || english[word] || word;
  return text.replace(/\{(\d)\}/g, (_, at) => values[at]);
}

// What would be invisible, or turn what stands around it: controls, and marks of direction. They are shown by their numbers.
const HIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;
const plain = (text) => text.replace(HIDDEN, (one) => '\\u' + one.charCodeAt(0).toString(16).padStart(4, '0'));

function make(tag, text, kind) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = plain(text);
  if (kind) node.className = kind;
  return node;
}

// A sender's text has a direction of its own, and turns nothing around that stands beside it.
function said(tag, text, kind) {
  const node = make(tag, text, kind);
  node.dir = 'auto';
  return node;
}

function way(one) {
  const line = make('span', undefined, 'dim');
  line.append(said('bdi', person(one.From)), ' \u2192 ', said('bdi', people([...one.To, ...one.Cc, ...one.Bcc])));
  return line;
}

function remember(key, value) {
  try {
    if (value === undefined) return localStorage.getItem('hobnob.' + key);
    localStorage.setItem('hobnob.' + key, value);
  } catch { /* a browser may keep nothing */ }
  return null;
}

async function ask(path, options) {
  const answer = await fetch(path, { cache: 'no-store', ...options });
  if (!answer.ok) throw Object.assign(new Error(await answer.text()), { status: answer.status });
  return answer;
}

const send = (method, path, body) =>
  ask(path, { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
const person = (one) => (one.Name ? one.Name + ' <' + one.Address + '>' : one.Address);
const people = (list) => list.map(person).join(', ');
const time = (text) => new Date(text).toLocaleString(lang === 'zh' ? 'zh-CN' : 'en-GB');

// The list.

async function load() {
  const words = $('words').value.trim();
  const path = words ? 'search?query=' + encodeURIComponent(words) + '&' : 'messages?';
  const mine = ++turn;
  const page = await (await ask(API + path + 'limit=' + limit)).json();
  if (mine !== turn) return;
  const known = new Set(letters.map((one) => one.ID));
  const fresh = letters.length && !words ? page.messages.filter((one) => !known.has(one.ID)) : [];
  letters = page.messages;
  $('count').textContent = words ? t('found', page.messages_count) : t('count', page.total, page.unread);
  document.title = (page.unread ? '(' + page.unread + ') ' : '') + 'hobnob mail';
  $('empty').hidden = page.total > 0;
  $('clear').disabled = !page.total;
  $('more').hidden = page.messages_count <= letters.length;
  if (fresh.length) $('news').textContent = t('newLetter') + ': ' + plain(fresh[0].Subject || t('noSubject'));
  draw();
}

function draw() {
  const focused = document.activeElement && document.activeElement.dataset.id;
  const rows = letters.map((one) => {
    const row = make('button');
    row.type = 'button';
    row.dataset.id = one.ID;
    row.setAttribute('aria-current', String(one.ID === chosen));
    row.append(
      said('span', one.Subject || t('noSubject'), one.Read ? '' : 'new'),
      way(one),
      make('span', time(one.Created) + (one.Attachments ? ' \u{1f4ce}' + one.Attachments : '') + '  ' + one.Snippet, 'dim'),
    );
    row.addEventListener('click', () => open(one.ID));
    const item = make('li');
    item.append(row);
    return item;
  });
  $('list').replaceChildren(...rows);
  if (focused) row(focused)?.focus();
}

const row = (id) => [...$('list').querySelectorAll('button')].find((one) => one.dataset.id === id);

function step(by) {
  const at = letters.findIndex((one) => one.ID === chosen);
  const next = letters[at < 0 ? 0 : Math.min(Math.max(at + by, 0), letters.length - 1)];
  if (next) open(next.ID).then(() => row(next.ID)?.focus());
}

// One letter.

async function open(id) {
  chosen = id;
  draw();
  document.querySelector('main').dataset.open = '';
  // Where there is no room for both, the list has gone, and the keyboard goes where the eyes go.
  if (!$('list').offsetParent) $('letter').focus();
  try {
    const found = await Promise.all([API + 'message/' + id, '/hobnob/letter/' + id].map(async (path) => (await ask(path)).json()));
    if (chosen !== id) return;
    [letter, journey] = found;
  } catch (error) {
    if (chosen !== id) return;
    letter = journey = null;
    $('open').hidden = true;
    $('none').hidden = false;
    $('none').textContent = error.status === 404 ? t('gone') : error.message;
    return;
  }
  $('none').hidden = true;
  $('open').hidden = false;
  if (side === 'text' && !letter.Text.trim() && letter.HTML) side = 'html';
  show();
  const listed = letters.find((one) => one.ID === id);
  if (listed && !listed.Read) await send('PUT', API + 'messages', { IDs: [id], Read: true });
}

function close() {
  const before = chosen;
  chosen = letter = journey = null;
  delete document.querySelector('main').dataset.open;
  $('open').hidden = true;
  $('none').hidden = false;
  $('none').textContent = t('none');
  draw();
  if (before) row(before)?.focus();
}

function facts(list) {
  const all = [];
  for (const [word, value] of list) if (value) all.push(make('dt', t(word)), said('dd', value));
  return all;
}

function show() {
  if (!letter) return;
  $('subject').textContent = plain(letter.Subject || t('noSubject'));
  $('facts').replaceChildren(...facts([
    ['from', person(letter.From)], ['to', people(letter.To)], ['cc', people(letter.Cc)], ['bcc', people(letter.Bcc)],
    ['date', time(letter.Date)], ['size', letter.Size.toLocaleString(lang) + ' ' + t('bytes')],
  ]));
  $('tabs').replaceChildren(...SIDES.map((one) => {
    const count = one === 'findings' && journey.findings.length ? ' (' + journey.findings.length + ')' : '';
    const tab = make('button', t(one) + count);
    tab.type = 'button';
    tab.id = 'tab-' + one;
    tab.setAttribute('role', 'tab');
    tab.setAttribute('aria-controls', 'panel');
    tab.setAttribute('aria-selected', String(one === side));
    tab.tabIndex = one === side ? 0 : -1;
    tab.addEventListener('click', () => turnTo(one));
    return tab;
  }));
  $('panel').setAttribute('aria-labelledby', 'tab-' + side);
  const id = chosen, shown = side;
  Promise.resolve(VIEWS[side]()).then((nodes) => {
    if (id === chosen && shown === side) $('panel').replaceChildren(...nodes);
  }).catch((error) => $('panel').replaceChildren(make('p', error.message, 'bad')));
}

function turnTo(one, isFocused) {
  side = one;
  show();
  if (isFocused !== false) $('tab-' + one).focus();
}

const VIEWS = {
  text: () => [
    said('pre', letter.Text || t('noText')),
    ...(journey.links.length ? [make('h3', t('links')), links()] : []),
  ],
  html: () => {
    if (!letter.HTML) return [make('p', t('noHtml'))];
    const frame = make('iframe');
    frame.setAttribute('sandbox', '');
    frame.referrerPolicy = 'no-referrer';
    frame.title = t('framed');
    frame.src = '/view/' + chosen + '.html';
    return [frame];
  },
  source: async () => {
    const raw = API + 'message/' + chosen + '/raw';
    const nodes = [saving(raw, 'letter-' + chosen + '.eml')];
    if (letter.Size <= LONGEST_SOURCE) nodes.push(make('pre', await (await ask(raw)).text()));
    return nodes;
  },
  parts: () => {
    const list = make('ul');
    for (const part of [...letter.Inline, ...letter.Attachments]) {
      const item = make('li', (part.FileName || part.ContentType) + ', ' + part.Size.toLocaleString(lang) + ' ' + t('bytes') + ' ');
      item.append(saving(API + 'message/' + chosen + '/part/' + part.PartID, part.FileName || 'part'));
      list.append(item);
    }
    return [tree([journey.parts]), list];
  },
  journey: () => {
    const listed = letters.find((one) => one.ID === chosen);
    const rows = facts([
      ['at', journey.at && time(journey.at)], ['peer', journey.client && journey.client + ' (' + journey.peer + ')'], ['by', journey.with],
      ['login', journey.login], ['envelope', journey.at && (journey.from || '<>') + ' \u2192 ' + journey.to.join(', ')],
      ['boxes', journey.boxes.join(', ')], ['seen', listed && t(listed.Read ? 'yes' : 'no')],
    ]);
    const list = make('dl');
    list.append(...rows);
    if (!journey.at) return [make('p', t('noNote')), list];
    const since = journey.steps.length ? [make('h3', t('since')), steps()] : [];
    return [list, ...since, make('h3', t('dialogue')), make('pre', journey.dialogue.join('\n'))];
  },
  findings: () => {
    if (!journey.findings.length) return [make('p', t('noFindings'))];
    const list = make('ul');
    for (const one of journey.findings) {
      const item = make('li');
      item.append(make('b', one.slug, one.is_wrong ? 'bad' : ''), ': ' + one.text + ' (' + one.source + ')');
      if (!one.is_wrong) item.append(' ', make('span', t('note'), 'dim'));
      list.append(item);
    }
    return [list];
  },
};

function links() {
  const list = make('ul');
  for (const one of journey.links) list.append(make('li', one));
  return list;
}

function saving(path, name) {
  const link = make('a', t('save'));
  link.href = path;
  link.download = name;
  return link;
}

function steps() {
  const list = make('ol');
  for (const step of journey.steps) {
    const words = [time(step.at), t(step.did), step.by, step.login && t('as', step.login), step.to.length && t('for', step.to.join(', ')),
      step.peer && t('peer').toLowerCase() + ' ' + step.peer, !step.by && step.detail];
    list.append(make('li', words.filter(Boolean).join(', ')));
  }
  return list;
}

function tree(parts) {
  const list = make('ul');
  for (const part of parts) {
    const item = make('li', part.kind + (part.name ? ' \u201c' + part.name + '\u201d' : '') + ', ' + part.size.toLocaleString(lang) + ' ' + t('bytes'));
    if (part.parts.length) item.append(tree(part.parts));
    list.append(item);
  }
  return list;
}

// The page.

function speak(next) {
  lang = next;
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
  for (const node of document.querySelectorAll('[data-t]')) {
    const word = node.dataset.t;
    english[word] ??= node.textContent;
    node.textContent = t(word);
  }
  for (const node of document.querySelectorAll('[data-label]')) {
    english[node.dataset.label] ??= node.getAttribute('aria-label');
    node.setAttribute('aria-label', t(node.dataset.label));
  }
  $('words').placeholder = t('search') + '  from:  to:  subject:  is:unread  has:attachment';
}

function keys(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const at = event.target;
  if (at.matches('input, select')) {
    if (event.key === 'Escape') at.blur();
    return;
  }
  const tabbed = at.getAttribute('role') === 'tab' && { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const does = {
    j: () => step(1), k: () => step(-1), '/': () => $('words').focus(), Escape: close,
    ...(at.closest('#list') && { ArrowDown: () => step(1), ArrowUp: () => step(-1) }),
    ...(letter && Object.fromEntries(SIDES.map((one, at) => [at + 1, () => turnTo(one)]))),
    ...(tabbed && { [event.key]: () => turnTo(SIDES.at((SIDES.indexOf(side) + tabbed) % SIDES.length)) }),
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
}

async function follow() {
  for (let count = -1; ;) {
    try {
      const next = (await (await ask('/hobnob/changes?after=' + count)).json()).count;
      if (next !== count) await load();
      count = next;
      $('state').textContent = '';
    } catch {
      $('state').textContent = t('off');
      count = -1;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

$('find').addEventListener('submit', (event) => event.preventDefault());
let typing = 0;
$('words').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(load, 150);
});
$('lang').addEventListener('change', () => {
  remember('lang', $('lang').value);
  speak($('lang').value);
  load();
  if (letter) show();
});
$('theme').addEventListener('change', () => {
  remember('theme', $('theme').value);
  document.documentElement.dataset.theme = $('theme').value;
});
$('back').addEventListener('click', close);
$('more').addEventListener('click', () => {
  limit += 50;
  load();
});
$('clear').addEventListener('click', async () => {
  if (!confirm(t('sure'))) return;
  await send('DELETE', API + 'messages', {});
  close();
});
document.addEventListener('keydown', keys);
$('theme').value = document.documentElement.dataset.theme = remember('theme') || '';
$('lang').value = remember('lang') || (navigator.language.startsWith('zh') ? 'zh' : 'en');
speak($('lang').value);
follow();
