import { installProgram } from 'system-program'
import { findRedisServer } from './find-redis-server.ts'

/** Answers with the path of the server once it is installed, or with the reason why it is not. Never asks anything. */
export function installRedisServer(): ReturnType<typeof installProgram> {
  const packages = { 'apt-get': ['redis-server'], apk: ['redis', 'valkey'], dnf: ['redis', 'valkey'] }
  return installProgram(packages, findRedisServer)
}
