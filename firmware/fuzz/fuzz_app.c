/* libFuzzer on the whole application with the fake engine: `make fuzz`. The input is bytes on the wire; a HELLO goes
 * first, and damaged frames are given a right CRC now and then, so that the dispatch behind the parser is reached. */
#include <string.h>

#include "ecgd_link.h"

#define ANSWER_BYTES 65536u
#define PIECE_MOST 255u
#define SESSION 0x01020304u

size_t ecgd_library_run(const uint8_t *bytes, size_t count, uint8_t *answer, size_t room);
void ecgd_library_restart(uint8_t cause);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t answer[ANSWER_BYTES];

/* input: repeated [type][sequence][count][count bytes of payload]; type 0 sends the payload as raw bytes */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t version[ECGD_HELLO_BYTES] = {ECGD_PROTOCOL_VERSION};
    uint8_t wire[ECGD_WIRE_BYTES(PIECE_MOST)];
    ecgd_library_restart(0);
    size_t count = ecgd_frame_encode(wire, ECGD_HELLO, 0, 0, SESSION, version, sizeof version);
    (void)ecgd_library_run(wire, count, answer, sizeof answer);
    for (size_t at = 0; at + 3u <= size;) {
        const uint8_t type = data[at], sequence = data[at + 1];
        size_t bytes = data[at + 2];
        at += 3;
        bytes = bytes < size - at ? bytes : size - at;
        if (type == 0) {
            (void)ecgd_library_run(data + at, bytes, answer, sizeof answer);
        } else {
            count = ecgd_frame_encode(wire, type, 0, sequence, SESSION, data + at, bytes);
            (void)ecgd_library_run(wire, count, answer, sizeof answer);
        }
        at += bytes;
    }
    return 0;
}
