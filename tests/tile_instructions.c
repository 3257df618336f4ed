/* Runs the tile instructions of minidpt's kernels (Intel AMX) on a CPU that has none of them.

   Such a CPU calls each of them illegal; the system then calls `run` below, which does what the instruction should,
   in plain C, and goes on after it. So compiled kernels are tested to the bit of each instruction, threads and all,
   only slowly. Whatever else is illegal ends the process.   [Intel SDM vol. 2: TDPBF16PS, TILELOADD, LDTILECFG, ...] */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { SIDE = 16, ROW = 64 };
static __thread uint8_t tiles[8][SIDE][ROW];
static __thread int opened;
static long products;

static void refuse(const char *why, const uint8_t *code) {
    fprintf(stderr, "%s:", why);
    for (int i = 0; i < 10; i++) fprintf(stderr, " %02x", code[i]);
    fprintf(stderr, "\n");
    _exit(70);
}

static uint64_t general(const ucontext_t *context, int number) {
    static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)context->uc_mcontext.gregs[places[number]];
}

static int32_t take32(const uint8_t **at) {
    int32_t value;
    memcpy(&value, *at, 4);
    *at += 4;
    return value;
}

static float bfloat16(const uint8_t *at) {
    uint32_t bits = (uint32_t)(at[0] | at[1] << 8) << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* sums[m, n] += a[m, 2k] b[k, 2n] + a[m, 2k + 1] b[k, 2n + 1], over all k */
static void add_product(uint8_t sums[SIDE][ROW], uint8_t a[SIDE][ROW], uint8_t b[SIDE][ROW]) {
    for (int m = 0; m < SIDE; m++)
        for (int n = 0; n < SIDE; n++) {
            float sum;
            memcpy(&sum, &sums[m][4 * n], 4);
            for (int k = 0; k < SIDE; k++)
                for (int half = 0; half < 4; half += 2)
                    sum += bfloat16(&a[m][4 * k + half]) * bfloat16(&b[k][4 * n + half]);
            memcpy(&sums[m][4 * n], &sum, 4);
        }
    __atomic_add_fetch(&products, 1, __ATOMIC_RELAXED);
}

static void open_with(const uint8_t *shapes, const uint8_t *code) {
    for (int i = 0; i < 64; i++) {
        int expected = i == 0 ? 1 : i >= 16 && i < 32 && i % 2 == 0 ? ROW : i >= 48 && i < 56 ? SIDE : 0;
        if (shapes[i] != expected) refuse("not eight tiles of 16 rows of 64 bytes", code);
    }
    memset(tiles, 0, sizeof tiles);
    opened = 1;
}

static void run(int signal, siginfo_t *info, void *where) {
    (void)signal, (void)info;
    ucontext_t *context = where;
    const uint8_t *code = (const uint8_t *)context->uc_mcontext.gregs[REG_RIP], *at = code + 5;
    /* C4, then inverted bits R X B and a map, then W, inverted vvvv, L and pp, the operation, mod reg rm */
    int index_high = code[1] & 64 ? 0 : 8, base_high = code[1] & 32 ? 0 : 8, third = ~(code[2] >> 3) & 15;
    int prefix = code[2] & 3, operation = code[3], mod = code[4] >> 6, reg = code[4] >> 3 & 7, rm = code[4] & 7;
    if (code[0] != 0xC4 || (code[1] & 31) != 2 || code[2] & 0x84) refuse("no tile instruction", code);
    uint64_t address = 0, stride = 0;
    if (mod != 3) {
        int base = rm;
        if (rm == 4) { /* a scaled index: the stride */
            int scaled = *at++, index = (scaled >> 3 & 7) | index_high;
            base = scaled & 7;
            stride = index == 4 ? 0 : general(context, index) << (scaled >> 6);
        }
        if (mod == 0 && base == 5)
            address = rm == 4 ? (uint64_t)take32(&at) : (uint64_t)take32(&at) + (uint64_t)at;
        else
            address = general(context, base | base_high);
        if (mod == 1) address += (uint64_t)(int8_t)*at++;
        if (mod == 2) address += (uint64_t)take32(&at);
    }
    uint8_t *memory = (uint8_t *)address;
    if (operation == 0x49 && prefix == 0 && mod != 3) {
        open_with(memory, code);
    } else if (!opened) {
        refuse("tiles have no shapes yet", code);
    } else if (operation == 0x49 && prefix == 0) {
        opened = 0;
    } else if (operation == 0x49 && prefix == 3) {
        memset(tiles[reg], 0, sizeof tiles[reg]);
    } else if (operation == 0x4B && prefix == 3) {
        for (int m = 0; m < SIDE; m++) memcpy(tiles[reg][m], memory + m * stride, ROW);
    } else if (operation == 0x4B && prefix == 2) {
        for (int m = 0; m < SIDE; m++) memcpy(memory + m * stride, tiles[reg][m], ROW);
    } else if (operation == 0x5C && prefix == 2 && mod == 3) {
        add_product(tiles[reg], tiles[rm], tiles[third & 7]);
    } else {
        refuse("no tile instruction that is known here", code);
    }
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)at;
}

void install(void) {
    struct sigaction action = {.sa_sigaction = run, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
}

long products_so_far(void) { return products; }
