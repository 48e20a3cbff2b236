import { findProgram } from 'system-program'

/** Where `redis-server` or `valkey-server` is, or undefined when neither is on the path. */
export function findRedisServer(): string | undefined {
  return findProgram(['redis-server', 'valkey-server'])
}

/** What to tell who has no Redis. */
export const HOW_TO_GET_REDIS = [
  'Do one of these:',
  '- install redis-server (or valkey-server), version 6.2 or newer, so that it is on the PATH:',
  '    Debian, Ubuntu   sudo apt-get install redis-server',
  '    Alpine           sudo apk add redis',
  '    Fedora, RHEL     sudo dnf install redis    (or valkey)',
  '    macOS            brew install redis',
  '- start a Docker engine;',
  '- set REDIS_URL to a Redis that tests may write to, as in REDIS_URL=redis://127.0.0.1:6379.',
].join('\n')
