// dify-client for Node against a Dify, or the door before one: node dify.mjs URL. Prints what passed.
import assert from 'node:assert/strict'
import FormData from 'form-data'
import { ChatClient, CompletionClient } from 'dify-client'

const base = process.argv[2] + '/v1'
const chat = new ChatClient('app-chat', base)
const completion = new CompletionClient('app-completion', base)
const workflow = new CompletionClient('app-workflow', base) // this client's workflows live there

const text = stream => new Promise((done, fail) => {
  let all = ''
  stream.on('data', piece => { all += piece })
  stream.on('end', () => done(all))
  stream.on('error', fail)
})
const events = all => all.split('\n\n').filter(block => block.startsWith('data: ')).map(block => JSON.parse(block.slice(6)))

let passed = 0
async function check(name, body) {
  await body()
  passed += 1
  console.log('ok', name)
}

let first
await check('chat, blocking', async () => {
  first = (await chat.createChatMessage({}, 'What is first?', 'u1', false, null)).data
  assert.match(first.answer, /About "What is first\?"/)
})
await check('chat, streaming, with its context', async () => {
  const stream = (await chat.createChatMessage({}, 'And then?', 'u1', true, first.conversation_id)).data
  const told = events(await text(stream))
  assert.equal(told.at(-1).event, 'message_end')
  assert.match(told.map(event => event.answer ?? '').join(''), /Earlier you asked "What is first\?"/)
})
await check("somebody else's conversation", async () => {
  await assert.rejects(chat.createChatMessage({}, 'q', 'u2', false, first.conversation_id),
    error => error.response.status === 404 && error.response.data.message === 'Conversation Not Exists.')
})
await check('records', async () => {
  assert.equal((await chat.getConversationMessages('u1', first.conversation_id)).data.data.length, 2)
  assert.deepEqual((await chat.messageFeedback(first.id, 'like', 'u1')).data, { result: 'success' })
  assert.equal((await chat.renameConversation(first.conversation_id, 'New', 'u1')).data.name, 'New')
  assert.equal((await chat.getConversations('u1')).data.data[0].name, 'New')
  assert.equal((await chat.deleteConversation(first.conversation_id, 'u1')).status, 204)
})
await check('completion, both ways', async () => {
  const whole = (await completion.createCompletionMessage({ query: 'Tell' }, 'u1', false)).data
  const told = events(await text((await completion.createCompletionMessage({ query: 'Tell' }, 'u1', true)).data))
  assert.equal(told.map(event => event.answer ?? '').join(''), whole.answer)
})
await check('a workflow, blocking', async () => {
  assert.equal((await workflow.runWorkflow({ query: 'Do' }, 'u1', false)).data.data.status, 'succeeded')
})
await check('a workflow, stopped', async () => {
  const stream = (await workflow.runWorkflow({ query: 'Do' }, 'u1', true)).data
  let stopped
  stream.once('data', piece => {
    const task = /"task_id":"([^"]*)"/.exec(piece)[1]
    stopped = workflow.sendRequest('POST', `/workflows/tasks/${task}/stop`, { user: 'u1' })
  })
  const told = events(await text(stream))
  assert.deepEqual((await stopped).data, { result: 'success' })
  assert.equal(told.at(-1).data.status, 'stopped')
})
await check('a file, up and down', async () => {
  const form = new FormData()
  form.append('user', 'u1')
  form.append('file', Buffer.from('hello'), { filename: 'a.txt', contentType: 'text/plain' })
  const file = (await chat.fileUpload(form)).data
  assert.equal(file.size, 5)
  assert.equal((await chat.sendRequest('GET', `/files/${file.id}/preview`)).data, 'hello')
})
console.log(passed, 'passed')
