#!/usr/bin/env python3
"""The smallest HTTP server: one recv, one fixed answer without a length, close.

    python3 http_server.py 127.0.0.1 8000
"""

import address
import threads

PAGE = "<h1>Hello, 世界!</h1>\n"
ANSWER = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + PAGE


def serve(sock, peer):
    sock.recv(1024)  # 请求是什么都不看
    sock.sendall(ANSWER.encode("utf-8"))  # 没有 Content-Length: 关闭连接就是结束


address.run(lambda: threads.serve(__doc__, serve))
