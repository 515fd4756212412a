"""An independent reading of docs/formats.md, from the page alone: python tests/vectors/check.py [directory]

Derives every vector again, and checks the proofs from the genesis bytes; ends with 1 at the first that differs.
Imports nothing of the ledger, only the standard library and `ecdsa`; some 200 lines, to be read in one go.
"""

# fmt: off
# ruff: noqa: E701, E704, I001, PT018, SIM905, BLE001 - laid out to be short: one line where a line says it
import json
import struct
import sys
from base64 import b64decode
from hashlib import pbkdf2_hmac, sha256
from hmac import digest
from pathlib import Path
from ecdsa import BadSignatureError, MalformedPointError, NIST256p, SigningKey, VerifyingKey
def sha(*parts): return sha256(b"".join(parts)).digest()
def tag(name): return b"ledgernode/" + name + b"/1\0"
def big(number, size): return int(number).to_bytes(size, "big")
def num(data): return int.from_bytes(data, "big")
def raw(text): return bytes.fromhex(text)
def text(value): return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
def short(text): return big(len(text.encode()), 1) + text.encode()
def identity_of(key): return sha(tag(b"identity"), key)
# ---------------------------------------------------------------- signatures: deterministic, low s, raw r and s
def holds(key, message, signature):
    low = len(signature) == 64 and num(signature[32:]) <= NIST256p.order // 2
    try: return low and VerifyingKey.from_string(key, NIST256p, valid_encodings=("uncompressed",)).verify(
        signature, message, hashfunc=sha256)
    except (BadSignatureError, MalformedPointError): return False
def key_of(secret): return SigningKey.from_secret_exponent(int(secret, 16), NIST256p)
def public(secret): return key_of(secret).verifying_key.to_string("uncompressed")
def sign(secret, message):
    signature = key_of(secret).sign_deterministic(message, hashfunc=sha256)
    return signature[:32] + big(min(num(signature[32:]), NIST256p.order - num(signature[32:])), 32)
# ---------------------------------------------------------------- Merkle, MessagePack, BLAKE3
def root(leaves):
    if len(leaves) < 2: return sha(b"\0", leaves[0]) if leaves else sha()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1", root(leaves[:k]), root(leaves[k:]))
def climb(value, index, size, path):  # the root that a hash at this place leads to
    assert 0 <= index < size and bool(path) == (size > 1), "place or length of a path"
    if size == 1: return value
    k = 1 << (size - 1).bit_length() - 1
    if index < k: return sha(b"\1", climb(value, index, k, path[:-1]), path[-1])
    return sha(b"\1", path[-1], climb(value, index - k, size - k, path[:-1]))
def stands(leaf, data, size, top):
    return climb(sha(b"\0", data), leaf["index"], size, [raw(one) for one in leaf["path"]]) == top
def pack(value):  # MessagePack in its shortest form: nil, integers, text, bytes, lists, maps with sorted keys
    if value is None: return b"\xc0"
    if isinstance(value, int):
        size = next(size for size in (1, 2, 4, 8) if value < 1 << 8 * size)
        return big(value, 1) if value < 128 else big(0xCB + size.bit_length(), 1) + big(value, size)
    if isinstance(value, list): return big(0x90 + len(value), 1) + b"".join(map(pack, value))
    if isinstance(value, dict): return big(0x80 + len(value), 1) + b"".join(map(pack, sum(sorted(value.items()), ())))
    data = value.encode() if isinstance(value, str) else value
    if isinstance(value, str) and len(data) < 32: return big(0xA0 + len(data), 1) + data
    wide = (len(data) > 255) + (len(data) > 65535)
    return big((0xD9 if isinstance(value, str) else 0xC4) + wide, 1) + big(len(data), 1 << wide) + data
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
def turn(word, by): return (word >> by | word << 32 - by) & 0xFFFFFFFF
def compress(chain, block, counter, size, flags):
    s, words = [*chain, *IV[:4], counter, 0, size, flags], struct.unpack("<16I", block.ljust(64, b"\0"))
    for _ in range(7):
        for n in range(8):  # four columns, then four diagonals
            a, b, c, d = (4 * row + (n + row * (n // 4)) % 4 for row in range(4))
            for half, first, second in ((0, 16, 12), (1, 8, 7)):
                s[a] = s[a] + s[b] + words[2 * n + half] & 0xFFFFFFFF
                s[d] = turn(s[d] ^ s[a], first)
                s[c] = s[c] + s[d] & 0xFFFFFFFF
                s[b] = turn(s[b] ^ s[c], second)
        words = [words[i] for i in (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)]
    return [s[i] ^ s[i + 8] for i in range(8)] + [s[i + 8] ^ chain[i] for i in range(8)]
def subtree(data, number):  # what its last compression takes: chaining value, block, counter, size, flags
    if len(data) > 1024:
        k = 1024 << ((len(data) - 1) // 1024).bit_length() - 1
        sides = compress(*subtree(data[:k], number))[:8] + compress(*subtree(data[k:], number + k // 1024))[:8]
        return IV, struct.pack("<16I", *sides), 0, 64, 4
    chain, (*before, last) = IV, [data[i : i + 64] for i in range(0, len(data), 64)] or [b""]
    for n, block in enumerate(before): chain = compress(chain, block, number, 64, int(n == 0))[:8]
    return chain, last, number, len(last), 2 if before else 3
def blake3(data, size):
    chain, block, _, used, flags = subtree(data, 0)
    return b"".join(struct.pack("<16I", *compress(chain, block, i, used, flags + 8)) for i in range(size // 64))
# ---------------------------------------------------------------- what each kind derives from its fields
def identity(v): return {"id": identity_of(raw(v["public_key"]))}
def wallet(v):
    seed = pbkdf2_hmac("sha512", v["phrase"].encode(), b"mnemonic", 2048)
    key, info = digest(bytes(32), seed, "sha256"), tag(b"wallet") + big(v["account"], 4)
    first = digest(key, info + b"\1", "sha256")
    number = num(first + digest(key, first + info + b"\2", "sha256")[:16]) % (NIST256p.order - 1) + 1
    return {"public_key": public(f"{number:x}")}
def entry(v):
    message = tag(b"entry") + raw(v["chain_id"]) + short(v["origin"]) + raw(v["nonce"]) + big(v["expires_ms"], 8)
    return {"message": message, "signature": sign(v["secret"], message)}
def signature(v): return {"holds": holds(raw(v["public_key"]), raw(v["message"]), raw(v["signature"]))}
def transaction(v):
    nonce, arguments = v["nonce"], v["arguments"].encode()
    body = {"transaction": tag(b"tx"), "query": b"ledgernode/qry/1"}[v["kind"]] + raw(v["chain_id"] + v["creator"])
    body += b"\0" + raw(nonce) + big(v["valid_until_ms"], 8) if nonce else b"\1" + big(v["sequence"], 16) + bytes(8)
    body += big(v["budget"], 4) + short(v["contract"]) + short(v["function"]) + big(len(arguments), 4) + arguments
    whole = public(v["secret"]) + (signature := sign(v["secret"], body)) + body
    return {"body": body, "id": sha(body), "signature": signature, "envelope": whole, "envelope_hash": sha(whole)}
HEADER = struct.Struct(">20s32sQQ32s32s32s32sQ32s32sII")
FIELDS = ("chain_id epoch height parent_hash transaction_root receipts_root state_commitment "
          "time_ms current_set next_set transactions receipts").split()
def header(v):
    data = HEADER.pack(tag(b"header"), *(raw(v[f]) if isinstance(v[f], str) else v[f] for f in FIELDS))
    return {"header": data, "hash": sha(data)}
def receipt(v):
    said = [raw(v["id"]), ("transaction", "timer", "reward").index(v["origin"]), v["code"], v["message"],
        v["result"].encode(), [[e["contract"], e["name"], e["payload"].encode()] for e in v["events"]]]
    return {"receipt": tag(b"receipt") + pack([*said, v["budget_used"], raw(v["items_root"]), v["items"]])}
def merkle(v):
    leaves = [raw(leaf) for leaf in v["leaves"]]
    top, places = root(leaves), [{"index": n, "path": path} for n, path in enumerate(v["paths"])]
    assert all(stands(place, leaf, len(leaves), top) for place, leaf in zip(places, leaves, strict=True)), "path"
    return {"root": top}
def items(v): return {"leaves": [text(i) for i in v["items"]], "root": root([text(i).encode() for i in v["items"]])}
def founders(epoch, members):  # a set whose members still have their first keys, from (organisation, key)
    rows = sorted(identity_of(key) + short(organisation) + key for organisation, key in members)
    return tag(b"validators") + big(epoch, 8) + big(len(rows), 2) + b"".join(rows)
def keys_of(members, at=34):
    keys = [members[(at := at + 33 + members[at + 32] + 65) - 65 : at] for _ in range(num(members[32:34]))]
    assert members.startswith(tag(b"validators")) and at == len(members) and 0 < len(set(keys)) == len(keys), "set"
    return keys
def vote(chain, epoch, height, top): return b"ledgernode/certificate/1" + chain + big(epoch, 8) + big(height, 8) + top
def certified(message, data, keys):
    places = [num(data[at : at + 2]) for at in range(2, len(data), 66)]
    assert len(data) == 2 + 66 * num(data[:2]) and len(places) >= (len(keys) + (len(keys) - 1) // 3 + 2) // 2, "quorum"
    assert places == sorted(set(places)), "each position once"
    assert all(holds(keys[p], message, data[4 + 66 * n : 68 + 66 * n]) for n, p in enumerate(places)), "certificate"
def validators(v):
    members = founders(v["epoch"], [(member["organisation"], raw(member["public_key"])) for member in v["members"]])
    message = vote(raw(v["chain_id"]), v["epoch"], v["height"], raw(v["header_hash"]))
    signed = [big(len(v["signatures"]), 2), *(big(s["position"], 2) + raw(s["signature"]) for s in v["signatures"])]
    certified(message, signed := b"".join(signed), keys_of(members))
    return {"set": members, "hash": sha(members), "vote": message, "certificate": signed}
def timer(v): return {"id": sha(tag(b"timer"), raw(v["chain_id"]), big(v["height"], 8), big(v["due_ms"], 8),
    big(v["attempt"], 4), short(v["contract"]), v["timer"].encode())}
def reward(v): return {"id": sha(tag(b"reward"), raw(v["chain_id"]), big(v["height"], 8)),
    "result": text({"amount_minor": v["amount_minor"], "miner": v["miner"]})}
def pairs(v): return [[raw(pair["key"]), raw(pair["record"])] for pair in v["pairs"]]
def lattice(v):
    elements = [blake3(tag(b"lattice") + big(len(k), 4) + k + big(len(r), 4) + r, 2048) for k, r in pairs(v)]
    lanes = [sum(struct.unpack_from("<H", element, at)[0] for element in elements) % 65536 for at in range(0, 2048, 2)]
    total = struct.pack("<1024H", *lanes)
    return {"elements": [one.hex() for one in elements], "sum": total, "commitment": sha(tag(b"commitment"), total)}
def snapshot(v):  # of each chunk: start, end (nil: of the state), records, bytes, SHA-256, lattice sum
    files = [pack(pairs(c)) for c in v["chunks"]]
    chunks = [[raw(c["start"]), c["end"] and raw(c["end"]), len(c["pairs"]), len(file), sha(file), lattice(c)["sum"]]
              for c, file in zip(v["chunks"], files, strict=True)]
    return {"files": [file.hex() for file in files], "id": sha(tag(b"snapshot-id"), pack([raw(v["header"]), chunks]))}
def package(v):
    data = pack({"format": "ledgernode/package/1", **{name: v[name] for name in ("entry", "files", "name", "version")}})
    return {"package": data, "hash": sha(tag(b"package"), data)}
def rotation(v):
    message = tag(b"rotation") + identity_of(raw(v["first_public_key"])) + public(v["secret"])
    return {"message": message, "proof": sign(v["secret"], message)}
def contradiction(v):
    place = raw(v["chain_id"]) + big(v["epoch"], 8)
    if v["phase"] is None: place = b"ledgernode/certificate/1" + place
    else: place = b"ledgernode/pbft/vote/1\0\0" + place + big(v["phase"], 1) + big(v["view"], 8)
    said = [place + big(v["height"], 8) + raw(choice) for choice in v["choices"]]
    votes = [(message + sign(v["secret"], message)).hex() for message in said]
    return {"votes": votes, "fault": sha(tag(b"fault"), identity_of(public(v["secret"])), said[0][:-32])}
def genesis(v):
    info = raw("3059301306072a8648ce3d020106082a8648ce3d030107034200")  # what stands before a P-256 key in X.509
    members = [(org["name"], b64decode(validator["certificate"].split("-----")[2]).partition(info)[2][:65])
               for org in json.loads(v["genesis"])["organisations"] for validator in org["validators"]]
    return {"chain_id": sha(tag(b"genesis"), v["genesis"].encode()), "founding_set": founders(0, members)}
def block(shown, chain, members):  # the header of a block that these members certify
    data = raw(shown["header"])
    start, found = data[:52], dict(zip(FIELDS, HEADER.unpack(data)[1:], strict=True))
    said = (start, found["current_set"], found["epoch"])
    assert said == (tag(b"header") + chain, sha(members), num(members[24:32])), "tag, chain or set of a header"
    certified(vote(chain, found["epoch"], found["height"], sha(data)), raw(shown["certificate"]), keys_of(members))
    return found
def proof(v):
    p, founded, since = json.loads(v["proof"]), genesis(v), 0
    chain, members = founded["chain_id"], founded["founding_set"]
    for change in p["set_changes"]:
        last, members = block(change, chain, members), raw(change["next_set"])
        assert sha(members) == last["next_set"] and last["height"] > since, "set change"
        since = last["height"]
    top, said, at = block(p, chain, members), v["receipt"], p["receipt"]["index"]
    unsigned, origin = top["receipts"] - top["transactions"], {"item": "transaction"}.get(p["kind"], p["kind"])
    assert (p["format"], v["kind"], said["origin"]) == ("ledgernode/proof/1", p["kind"], origin), "kind"
    shown = stands(p["receipt"], receipt(said)["receipt"], top["receipts"], top["receipts_root"])
    assert shown and top["height"] > since and (at < unsigned) == (origin != "transaction"), "receipt, height or place"
    if p["kind"] == "transaction":
        whole = raw(p["envelope"]["data"])
        assert stands(p["envelope"], sha(whole), top["transactions"], top["transaction_root"]), "envelope"
        assert p["envelope"]["index"] + unsigned == at and sha(whole[129:]).hex() == said["id"], "its receipt"
        assert holds(whole[:65], whole[129:], whole[65:129]) and whole[129:177] == tag(b"tx") + chain, "signature"
    if p["kind"] == "item": assert stands(p["item"], v["item"].encode(), said["items"], raw(said["items_root"])), "item"
    return {"receipt_data": p["receipt"]["data"], "item": raw(p["item"]["data"]).decode() if p["item"] else None}
# ---------------------------------------------------------------- every file, every vector, every derived field
KINDS = {kind.__name__: kind for kind in (identity, wallet, entry, signature, transaction, header, receipt, merkle,
    items, validators, timer, reward, lattice, snapshot, package, rotation, contradiction, genesis, proof)}
def check(kind, vector):
    for field, derived in KINDS[kind](vector).items():
        assert vector[field] == (derived.hex() if isinstance(derived, bytes) else derived), f"{field} differs"
if __name__ == "__main__":
    for name in KINDS:
        for number, one in enumerate(json.loads((Path([*sys.argv, "."][1]) / f"{name}.json").read_text("utf-8"))):
            try: check(name, one)
            except Exception as error: sys.exit(f"{name}.json, vector {number}: {type(error).__name__}: {error}")
    print(f"{len(KINDS)} kinds of vectors hold")
