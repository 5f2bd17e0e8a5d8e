/* Rendered from host/ecgdeploy/link/protocol.py by `python -m ecgdeploy.link.render`: change it there.
 * ECGD_<LAYOUT>_<FIELD>_AT is a field's place in its payload, ECGD_<LAYOUT>_BYTES its fixed part's size. */
#ifndef ECGD_PROTOCOL_H
#define ECGD_PROTOCOL_H

#define ECGD_PROTOCOL_VERSION 1u
#define ECGD_CRC_BYTES 4u

/* message ids */
#define ECGD_HELLO 0x01u
#define ECGD_DATA 0x02u
#define ECGD_READ_OUTPUT 0x03u
#define ECGD_PING 0x04u
#define ECGD_RESET 0x05u
#define ECGD_COUNTERS 0x06u
#define ECGD_WELCOME 0x81u
#define ECGD_ACK 0x82u
#define ECGD_RESULT 0x83u
#define ECGD_OUTPUT 0x84u
#define ECGD_COUNTED 0x85u
#define ECGD_ERROR 0xc0u
#define ECGD_KEEPALIVE 0xc1u
#define ECGD_NAK 0xc2u

#define ECGD_HEADER_TYPE_AT 0u /* u8 */
#define ECGD_HEADER_GENERATION_AT 1u /* u8 */
#define ECGD_HEADER_SEQUENCE_AT 2u /* u16 */
#define ECGD_HEADER_SESSION_AT 4u /* u32 */
#define ECGD_HEADER_BYTES 8u

#define ECGD_TENSOR_DTYPE_AT 0u /* u8 */
#define ECGD_TENSOR_BYTES_AT 1u /* u32 */
#define ECGD_TENSOR_SCALE_AT 5u /* f32 */
#define ECGD_TENSOR_ZERO_POINT_AT 9u /* i32 */
#define ECGD_TENSOR_BYTES 13u

#define ECGD_HELLO_VERSION_AT 0u /* u16 */
#define ECGD_HELLO_BYTES 2u

#define ECGD_DATA_ID_AT 0u /* u32 */
#define ECGD_DATA_OFFSET_AT 4u /* u32 */
#define ECGD_DATA_BYTES 8u

#define ECGD_READ_OUTPUT_ID_AT 0u /* u32 */
#define ECGD_READ_OUTPUT_OFFSET_AT 4u /* u32 */
#define ECGD_READ_OUTPUT_BYTES 8u

#define ECGD_WELCOME_VERSION_AT 0u /* u16 */
#define ECGD_WELCOME_FLAGS_AT 2u /* u16 */
#define ECGD_WELCOME_BUILD_ID_AT 4u /* text */
#define ECGD_WELCOME_BUILD_ID_BYTES 16u
#define ECGD_WELCOME_MODEL_SHA256_AT 20u /* bytes */
#define ECGD_WELCOME_MODEL_SHA256_BYTES 32u
#define ECGD_WELCOME_ENGINE_AT 52u /* text */
#define ECGD_WELCOME_ENGINE_BYTES 16u
#define ECGD_WELCOME_BOARD_AT 68u /* text */
#define ECGD_WELCOME_BOARD_BYTES 32u
#define ECGD_WELCOME_ENGINE_STATUS_AT 100u /* u8 */
#define ECGD_WELCOME_RESET_CAUSE_AT 101u /* u8 */
#define ECGD_WELCOME_FRAME_BYTES_AT 102u /* u32 */
#define ECGD_WELCOME_WINDOW_BYTES_AT 106u /* u32 */
#define ECGD_WELCOME_REPLIES_AT 110u /* u8 */
#define ECGD_WELCOME_INLINE_OUTPUT_BYTES_AT 111u /* u16 */
#define ECGD_WELCOME_REPLY_MS_AT 113u /* u32 */
#define ECGD_WELCOME_KEEPALIVE_MS_AT 117u /* u32 */
#define ECGD_WELCOME_TICK_UNIT_AT 121u /* u8 */
#define ECGD_WELCOME_TICK_NUMERATOR_AT 122u /* u32 */
#define ECGD_WELCOME_TICK_DENOMINATOR_AT 126u /* u32 */
#define ECGD_WELCOME_STATIC_RAM_AT 130u /* u32 */
#define ECGD_WELCOME_ARENA_BYTES_AT 134u /* u32 */
#define ECGD_WELCOME_STACK_BYTES_AT 138u /* u32 */
#define ECGD_WELCOME_INPUTS_AT 142u /* u8 */
#define ECGD_WELCOME_OUTPUTS_AT 143u /* u8 */
#define ECGD_WELCOME_BYTES 144u

#define ECGD_RESULT_ID_AT 0u /* u32 */
#define ECGD_RESULT_STATUS_AT 4u /* u8 */
#define ECGD_RESULT_OUTPUTS_INLINE_AT 5u /* u8 */
#define ECGD_RESULT_FLAGS_AT 6u /* u16 */
#define ECGD_RESULT_INPUT_CRC_AT 8u /* u32 */
#define ECGD_RESULT_OUTPUT_CRC_AT 12u /* u32 */
#define ECGD_RESULT_TICKS_AT 16u /* u64 */
#define ECGD_RESULT_STACK_USED_AT 24u /* u32 */
#define ECGD_RESULT_OUTPUT_BYTES_AT 28u /* u32 */
#define ECGD_RESULT_BYTES 32u

#define ECGD_OUTPUT_OFFSET_AT 0u /* u32 */
#define ECGD_OUTPUT_BYTES 4u

#define ECGD_COUNTED_FRAMES_AT 0u /* u32 */
#define ECGD_COUNTED_BAD_FRAMES_AT 4u /* u32 */
#define ECGD_COUNTED_DUPLICATES_AT 8u /* u32 */
#define ECGD_COUNTED_GAPS_AT 12u /* u32 */
#define ECGD_COUNTED_FOREIGN_AT 16u /* u32 */
#define ECGD_COUNTED_INFERENCES_AT 20u /* u32 */
#define ECGD_COUNTED_BYTES 24u

#define ECGD_ERROR_CODE_AT 0u /* u16 */
#define ECGD_ERROR_DETAIL_AT 2u /* u32 */
#define ECGD_ERROR_BYTES 6u

/* error codes */
#define ECGD_ERROR_VERSION 1u /* the firmware speaks another protocol version */
#define ECGD_ERROR_NO_SESSION 2u /* the device knows no such session, it has restarted */
#define ECGD_ERROR_UNKNOWN_MESSAGE 3u /* the firmware does not know this message */
#define ECGD_ERROR_BAD_LENGTH 4u /* a message has the wrong size */
#define ECGD_ERROR_BAD_OFFSET 5u /* input bytes came out of order */
#define ECGD_ERROR_BAD_ID 6u /* the outputs asked for are gone */
#define ECGD_ERROR_ENGINE_DEAD 7u /* the engine did not start */

/* measurement flags */
#define ECGD_FLAG_CLOCK_FROZEN 1u /* the clock did not move during the inference */
#define ECGD_FLAG_CLOCK_WRAPPED 2u /* the clock wrapped during the inference, the time is too short */
#define ECGD_FLAG_COUNTER_DISABLED 4u /* the counter is not running or is not an instruction or cycle counter */
#define ECGD_FLAG_STACK_MARGIN 8u /* less than the safety margin of the stack was left */
#define ECGD_FLAG_WATCHDOG_RESET 16u /* the board was restarted by its watchdog or by a fault */

/* reset causes */
#define ECGD_RESET_POWER_ON 0u /* power or reset pin */
#define ECGD_RESET_SOFTWARE 1u /* asked for */
#define ECGD_RESET_WATCHDOG 2u /* watchdog */
#define ECGD_RESET_FAULT 3u /* a fault or lock-up */

/* tick units */
#define ECGD_UNIT_NONE 0u /* no clock */
#define ECGD_UNIT_INSTRUCTIONS 1u /* instructions carried out (emulation) */
#define ECGD_UNIT_CYCLES 2u /* cycles of the processor's clock */
#define ECGD_UNIT_NANOSECONDS 3u /* wall-clock time (a process on a computer) */

#endif
