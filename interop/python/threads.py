"""Accept in the main thread, talk in a thread per connection. 每个连接一个线程。"""

import threading

import address


def serve(about, talk):
    args = address.server_parser(about).parse_args()
    quiet = address.patience(args, by_hand=not args.once)
    listener = address.listen(args)
    listener.settimeout(quiet)
    wrong = []

    def session(sock, peer):
        with sock:
            try:
                sock.settimeout(quiet)
                talk(sock, peer)
            except OSError as e:
                wrong.append(e)
                print(f"session with {peer!r}: {e}", flush=True)

    running = []
    while not args.once or len(running) < args.once:
        sock, peer = listener.accept()
        t = threading.Thread(target=session, args=(sock, peer), daemon=True)
        t.start()
        if args.once:  # 没有 --once 就一直服务, 不必记住线程
            running.append(t)
    listener.close()
    for t in running:
        t.join()
    if wrong:
        raise wrong[0]
