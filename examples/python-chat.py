"""A Tidings client in Python's standard library, written from docs/protocol.md:  python3 python-chat.py URL NAME GROUP
Each line of the input goes to the group, each message in the group is printed. The password is in TIDINGS_PASSWORD."""
import base64, collections, contextlib, hashlib, http.client, json, os, random, struct, sys, threading, time, urllib.parse, uuid

url, name, group_name, token, session = urllib.parse.urlsplit(sys.argv[1]), *sys.argv[2:4], None, None
outbox, names = collections.deque(), {}  # Messages (id, text), oldest first: only that one is under way, so the order holds.
def connect(): return (http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection)(url.netloc, timeout=30)
def call(method, path, **body):
    headers = ({"Authorization": f"Bearer {token}"} if token else {}) | ({"Content-Type": "application/json"} if body else {})
    connection = connect()
    connection.request(method, path, json.dumps(body) if body else None, headers)
    return json.load(connection.getresponse())

class WebSocket:  # The client's side of RFC 6455: one JSON object in each masked text frame; pings are answered.
    def __init__(self):
        self.connection, self.writing, key = connect(), threading.Lock(), base64.b64encode(os.urandom(16)).decode()
        self.connection.request("GET", "/v1/socket", headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": key,
                                                              "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "tidings.v1"})
        self.socket, self.stream = self.connection.sock, self.connection.sock.makefile("rb")
        proof = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        if self.connection.getresponse().getheader("Sec-WebSocket-Accept") != proof: raise ConnectionError("No WebSocket was opened.")
    def write(self, payload, opcode=1):
        size, mask = len(payload), os.urandom(4)
        length = bytes([128 | size]) if size < 126 else struct.pack(">BH", 254, size) if size < 65536 else struct.pack(">BQ", 255, size)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        with self.writing: self.socket.sendall(bytes([128 | opcode]) + length + mask + masked)
    def send(self, **frame): self.write(json.dumps(frame).encode())
    def frames(self):
        text = b""
        while head := self.stream.read(2):
            size = head[1] if head[1] < 126 else int.from_bytes(self.stream.read(2 if head[1] == 126 else 8), "big")
            payload, opcode = self.stream.read(size), head[0] & 15
            if opcode == 8 and 4400 <= int.from_bytes(payload[:2], "big") < 4500: sys.exit(payload[2:].decode() or "Closed for good.")
            if opcode == 9: self.write(payload, 10)
            if opcode < 2: text += payload
            if opcode < 2 and head[0] & 128: yield json.loads(text); text = b""

def send_oldest():  # Also after a lost connection: the id is the same, so the message is stored once.
    if session and outbox: session.send(type="send", conversation=group, message_id=outbox[0][0], text=outbox[0][1])
def type_in():
    for line in filter(None, map(str.strip, sys.stdin)):
        outbox.append((str(uuid.uuid4()), line))
        with contextlib.suppress(OSError): len(outbox) > 1 or send_oldest()
    while outbox: time.sleep(0.1)
    os._exit(0)
def show(sender, text):
    if sender not in names: names[sender] = call("GET", "/v1/users?ids=" + urllib.parse.quote(sender))["items"][0]["name"]
    print(f"{names[sender]}: {text}", flush=True)
def chat():  # One session, from its hello to the end of its connection.
    global session, cursor
    socket, syncing = WebSocket(), True  # The hello is a sync, too.
    socket.send(type="hello", token=token, have={group: cursor})
    for frame in socket.frames():
        kind, mine, behind = frame["type"], frame.get("conversation") == group, frame.get("heads", {}).get(group, 0) > cursor
        if kind == "welcome": session = socket; socket.socket.settimeout(frame["heartbeat_ms"] * 1.5 / 1000); send_oldest()
        elif kind == "deliver" and mine and frame["from_seq"] > max(cursor + 1, state["first_seq"]): behind = True
        elif kind == "deliver" and mine:
            for entry in frame["entries"]:
                if entry["seq"] > cursor and entry["kind"] == "message": show(entry["sender"], entry["text"])
                cursor = max(cursor, entry["seq"])
        elif kind == "synced":
            syncing, behind = False, any(one["conversation"] == group and one["status"] == "truncated" for one in frame["conversations"])
        elif kind == "ended" and mine: sys.exit("You are no longer in this group.")
        elif kind in ("ack", "error") and outbox and frame.get("message_id") == outbox[0][0]:
            if kind == "error" and frame["retryable"]: time.sleep(frame.get("retry_after_ms", 1000) / 1000)
            elif outbox.popleft() and kind == "error": print("Not sent:", frame["detail"], file=sys.stderr)
            send_oldest()
        if behind and not syncing: syncing = not socket.send(type="sync", request=1, have={group: cursor})
who = {"name": name, "password": os.environ["TIDINGS_PASSWORD"]}
answer = call("POST", "/v1/tokens", **who)
if answer.get("code") == "credentials-wrong": answer = call("POST", "/v1/accounts", **who)
token = answer.get("token") or sys.exit(answer["detail"])
groups = call("GET", "/v1/groups?search=" + urllib.parse.quote(group_name))["items"]
group = next((one["conversation"] for one in groups if one["name"] == group_name), None) or sys.exit("There is no such public group.")
state = call("POST", f"/v1/groups/{group}/join")
cursor = state["joined_seq"] - 1 if "joined_seq" in state else sys.exit(state["detail"])
threading.Thread(target=type_in, daemon=True).start()
while True:
    with contextlib.suppress(OSError): chat()
    time.sleep(random.uniform(0.2, 2))
