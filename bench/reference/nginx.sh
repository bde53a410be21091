#!/bin/sh
# nginx.sh PORT FOLDER: nginx with one worker that answers everything from memory, and keeps its connections.
cat > "$2/nginx.conf" <<END
daemon off; worker_processes 1; pid $2/pid; error_log stderr;
events { worker_connections 1024; }
http {
  access_log off; default_type text/plain; keepalive_requests 1000000000;
  client_body_temp_path $2/t1; proxy_temp_path $2/t2; fastcgi_temp_path $2/t3;
  uwsgi_temp_path $2/t4; scgi_temp_path $2/t5;
  server { listen 127.0.0.1:$1; location / { return 200 'Hello, world!\n'; } }
}
END
exec nginx -p "$2" -e stderr -c "$2/nginx.conf"
