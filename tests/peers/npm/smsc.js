// An SMSC of the npm package smpp. It prints its port, then every submit as it read it, a line of JSON each. The last two
// digits of a number choose what becomes of it; ids are hex in answers and decimal in receipts.
'use strict'
const smpp = require('smpp')

const taken = (session, pdu) => { const id = ++last; session.send(pdu.response({ message_id: id.toString(16) })); return id }
const text = (id, stat) => `id:${id} sub:001 dlvrd:001 submit date:2611221430 done date:2611221431 stat:${stat} err:027 text:stat:DELIVRD`
let last = 0xab10
let throttled = 0
const replied = new Set()

function heard (pdu) {
  const message = pdu.message_payload || pdu.short_message
  return {
    from: pdu.source_addr,
    ton: pdu.source_addr_ton,
    to: pdu.destination_addr,
    text: message.message,
    udh: (message.udh || []).map(part => part.toString('hex')).join(''),
    coding: pdu.data_coding,
    esm: pdu.esm_class,
    registered: pdu.registered_delivery,
    payload: Boolean(pdu.message_payload)
  }
}

function receipt (session, pdu, fields) {
  if (!pdu.registered_delivery) return
  session.deliver_sm({ source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4, ...fields },
    answer => console.log(JSON.stringify({ acked: pdu.destination_addr, status: answer.command_status })))
}

function submitted (session, pdu) {
  console.log(JSON.stringify(heard(pdu)))
  const ends = pdu.destination_addr.slice(-2)
  if (ends === '01') return session.send(pdu.response({ command_status: 0x0B }))
  if (ends === '05' && throttled++ === 0) return session.send(pdu.response({ command_status: 0x58 }))
  const id = taken(session, pdu)
  if (ends === '02') return receipt(session, pdu, { short_message: text(id, 'UNDELIV') })
  if (ends === '03') return receipt(session, pdu, { receipted_message_id: String(id), message_state: 2, short_message: '' })
  if (ends === '04') return
  receipt(session, pdu, { short_message: text(id, 'DELIVRD') })
  if (ends !== '09' || replied.has(pdu.destination_addr)) return
  replied.add(pdu.destination_addr)
  session.deliver_sm({
    source_addr: pdu.destination_addr, source_addr_ton: 1, destination_addr: pdu.source_addr, destination_addr_ton: 1,
    data_coding: 8, short_message: 'STOP \u201cplease\u201d'
  }, answer => console.log(JSON.stringify({ acked: 'reply', status: answer.command_status })))
}

const server = smpp.createServer(session => {
  session.on('error', error => console.log(JSON.stringify({ error: String(error) })))
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(kind, pdu => {
      console.log(JSON.stringify({ bind: kind, system_id: pdu.system_id }))
      session.send(pdu.response({ command_status: pdu.password === 'secret' ? 0 : 0x0E, system_id: 'npm' }))
    })
  }
  session.on('submit_sm', pdu => submitted(session, pdu))
  session.on('enquire_link', pdu => session.send(pdu.response()))
  session.on('close', () => replied.clear())
  session.on('unbind', pdu => { console.log(JSON.stringify({ unbound: true })); session.send(pdu.response()); session.close() })
})
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })))
process.stdin.on('end', () => process.exit(0)).resume() // whoever started it has ended
