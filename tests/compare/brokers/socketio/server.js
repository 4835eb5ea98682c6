// Socket.IO with rooms, over WebSocket and TLS: node server.js PORT CERTIFICATE KEY
'use strict';
const { readFileSync } = require('node:fs');
const { createServer } = require('node:https');
const { Server } = require('socket.io');

const [port, cert, key] = process.argv.slice(2);
const https = createServer({ cert: readFileSync(cert), key: readFileSync(key), minVersion: 'TLSv1.3' });
const io = new Server(https, {
  transports: ['websocket'],
  perMessageDeflate: false,
  // The load answers no pings.
  pingInterval: 600_000,
});
io.on('connection', (socket) => {
  // It keeps the request of the handshake for the application, which has no use for it here.
  socket.conn.request = null;
  socket.on('join', (room) => {
    socket.join(room);
    socket.emit('joined');
  });
  socket.on('publish', (room, payload) => io.to(room).emit('bench', payload));
});
https.listen(Number(port), '127.0.0.1');
