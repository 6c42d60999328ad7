# cpack reads this before it packs. Without dpkg-shlibdeps it would go on, and make a package that does not name its libraries.
if(CPACK_GENERATOR STREQUAL "DEB")
  foreach(tool IN ITEMS dpkg-shlibdeps file)
    execute_process(COMMAND ${tool} --version RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
    if(NOT status EQUAL 0)
      message(FATAL_ERROR "${tool} is not installed, and a package needs it to name its libraries; run: scripts/deps build deb")
    endif()
  endforeach()
endif()
