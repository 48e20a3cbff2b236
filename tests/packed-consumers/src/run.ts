import { execFile } from 'node:child_process'

/** Runs a program to its end and gives what it wrote. Rejects with that, unless the exit code is 0. */
export async function run(program: string, args: readonly string[], folder: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NODE_OPTIONS: '' }
    execFile(program, args, { cwd: folder, env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error }))
      else resolve(stdout)
    })
  })
}
