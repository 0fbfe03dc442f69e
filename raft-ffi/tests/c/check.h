/* Checks for the C programs: a failed one names its line and ends the program. */
#ifndef RAFTCORE_TESTS_CHECK_H
#define RAFTCORE_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include "raftcore.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define CHECK_STATUS(call, expected)                                                               \
    do {                                                                                           \
        raftcore_status got_ = (call);                                                             \
        if (got_ != (expected)) {                                                                  \
            fprintf(stderr, "%s:%d: %s\n  gave %u (%s), expected %s\n", __FILE__, __LINE__, #call, \
                    (unsigned)got_, raftcore_status_text(got_), #expected);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define OK(call) CHECK_STATUS(call, RAFTCORE_STATUS_OK)

#endif
