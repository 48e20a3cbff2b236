export { findProgram, isProgram } from './find-program.ts'
export { installProgram } from './install-program.ts'
export { works } from './run-command.ts'
