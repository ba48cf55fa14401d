// Name the JavaScript files of /app that cannot be compiled; nothing of them is run. Prints one JSON list.
//
// Called only for an app that did not start, so that the trainee is told the file and line. The search is done
// in this process, because 500 times `node --check` would take longer than there is.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

const ROOT = '/app';
const MAX_FILES = 500;
const MAX_BYTES = 1_000_000;
const MAX_FAULTS = 10;
const WRAPPER = ['exports', 'require', 'module', '__filename', '__dirname'];

/** The source files below a folder in the order of their names; packages are none of the trainee's. */
function* sources(folder) {
  const entries = fs.readdirSync(folder, { withFileTypes: true });
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory() && entry.name !== 'node_modules') yield* sources(full);
    else if (entry.isFile() && /\.[cm]?js$/.test(entry.name)) yield full;
  }
}

/** What the nearest package.json says about .js files. */
function isModule(file) {
  if (!file.endsWith('.js')) return file.endsWith('.mjs');
  for (let folder = path.dirname(file); folder.startsWith(ROOT); folder = path.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).type === 'module';
    } catch (error) {
      if (error.code !== 'ENOENT') return false;
    }
  }
  return false;
}

/** Compile as the interpreter would, without linking or running. */
function compile(file) {
  const text = fs.readFileSync(file, 'utf8').replace(/^\uFEFF/, '').replace(/^#!.*/, '');
  if (isModule(file)) new vm.SourceTextModule(text, { identifier: file });
  else vm.compileFunction(text, WRAPPER, { filename: file });
}

/** Where the interpreter itself sees the error; the compiler of modules does not tell. */
function lineOf(file) {
  const said = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: 10_000 }).stderr || '';
  const place = said.split('\n', 1)[0];
  const found = /^(.+):(\d+)$/.exec(place);
  return found && decodeURI(found[1]).endsWith(file) ? Number(found[2]) : 0;
}

const faults = [];
let seen = 0;
for (const file of sources(ROOT)) {
  if (++seen > MAX_FILES || faults.length >= MAX_FAULTS) break;
  if (fs.statSync(file).size > MAX_BYTES) continue;
  try {
    compile(file);
  } catch (error) {
    const message = String(error.message).slice(0, 200);
    faults.push({ file: path.relative(ROOT, file), line: lineOf(file), message });
  }
}
console.log(JSON.stringify(faults));
