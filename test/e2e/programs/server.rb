# Answers every request on $PORT, and leaves SIGTERM to its default.
require "socket"
server = TCPServer.new("0.0.0.0", Integer(ENV.fetch("PORT")))
puts "ready"
$stdout.flush
loop do
  client = server.accept
  while (line = client.gets) && line != "\r\n"
  end
  client.write "HTTP/1.0 200 OK\r\n\r\nhello from ruby\n"
  client.close
end
