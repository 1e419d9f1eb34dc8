// The kubia app: answers every request with the name of the host that it runs on.
const http = require('http');
const os = require('os');

const port = Number(process.env.PORT || 8080);

const server = http.createServer((request, response) => {
  console.log(`Received request from ${request.socket.remoteAddress}`);
  response.writeHead(200, { 'Content-Type': 'text/plain' });
  response.end(`You've hit ${os.hostname()}\n`);
});

console.log('Kubia server starting...');
server.listen(port);

// Kubernetes ends a pod with SIGTERM; a server that is process 1 has no default action for it.
process.on('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
  setTimeout(() => process.exit(0), 100).unref();
});
